/** Adds up images from one version of each eye. Other versions have the same pixels in other places, so they need no decoding. Pure. */
import type { Version } from '../../config/input.ts';
import type { Blob } from '../caffe/blob-proto.ts';
import type { Bitmap, Size } from '../images/bitmap.ts';

/** Flips of each version: left to right, and top to bottom. */
const TURNS: Record<Version, readonly [across: boolean, down: boolean]> = {
  a: [false, false],
  r: [true, true],
  fa: [true, false],
  fr: [false, true],
};

/** Sum of `records` images of one size, laid out as a bitmap. It holds whole numbers, so it is exact. */
export interface PictureSum extends Size {
  data: Float64Array;
  records: number;
}

/** Eyes that share the given version and the wanted ones. */
interface Group {
  given: Version;
  wanted: readonly Version[];
  eyes: number;
  /** Large enough for the sum of eight million images. Signed, since that is faster. */
  data: Int32Array;
}

/** Adds up eyes one by one, and flips the sums at the end instead of every image. */
export class SumOfVersions {
  private readonly groups = new Map<string, Group>();
  private size: Size | undefined;

  /**
   * Adds an eye.
   * @param picture the eye's version `given`
   * @param wanted the versions that count
   * @throws when the image has another size than those before
   */
  add(picture: Bitmap, given: Version, wanted: readonly Version[]): void {
    const { data, width, height } = picture;
    this.size ??= { width, height };
    if (width !== this.size.width || height !== this.size.height) {
      throw new Error(
        `Expected pictures of one size for their mean, got ${this.size.width}×${this.size.height} and ${width}×${height}`,
      );
    }
    const key = [given, ...wanted].join();
    let group = this.groups.get(key);
    if (!group) {
      group = { given, wanted, eyes: 0, data: new Int32Array(data.length) };
      this.groups.set(key, group);
    }
    group.eyes++;
    addPixels(group.data, data);
  }

  /** Returns the sum of all wanted versions. @throws when nothing was added */
  total(): PictureSum {
    if (!this.size) throw new TypeError('Expected at least one picture to add up, got none');
    const { width, height } = this.size;
    const total = { data: new Float64Array(width * height * 3), width, height, records: 0 };
    for (const { given, wanted, eyes, data } of this.groups.values()) {
      for (const version of wanted) {
        const [across, down] = [0, 1].map(side => TURNS[given][side] !== TURNS[version][side]) as [boolean, boolean];
        addTurned(total, data, across, down);
        total.records += eyes;
      }
    }
    return total;
  }
}

/** Adds a whole pixel per iteration, which halves the time of the loop. */
function addPixels(sum: Int32Array, data: Uint8Array): void {
  for (let i = 0; i < sum.length; i += 3) {
    sum[i]! += data[i]!;
    sum[i + 1]! += data[i + 1]!;
    sum[i + 2]! += data[i + 2]!;
  }
}

function addTurned({ data, width, height }: PictureSum, sum: Int32Array, across: boolean, down: boolean): void {
  const step = across ? -3 : 3;
  for (let y = 0, to = 0; y < height; y++) {
    let from = ((down ? height - 1 - y : y) * width + (across ? width - 1 : 0)) * 3;
    for (let x = 0; x < width; x++, to += 3, from += step) {
      data[to]! += sum[from]!;
      data[to + 1]! += sum[from + 1]!;
      data[to + 2]! += sum[from + 2]!;
    }
  }
}

/**
 * Returns the mean image as Caffe reads it: blue, green and red, one channel after the other. Its bytes equal those of Caffe's own
 * `compute_image_mean` as long as that tool's 32-bit sums are exact: up to 65,793 records.
 * @throws when the sums differ in size, or there is none
 */
export function meanOfSums(sums: readonly PictureSum[]): Blob {
  const [first] = sums;
  if (!first) throw new TypeError('Expected at least one sum of pictures, got none');
  const { width, height } = first;
  const pixels = width * height;
  const total = new Float64Array(pixels * 3);
  let records = 0;
  for (const sum of sums) {
    if (sum.width !== width || sum.height !== height) {
      throw new Error(
        `Expected pictures of one size for their mean, got ${width}×${height} and ${sum.width}×${sum.height}`,
      );
    }
    for (let i = 0; i < total.length; i++) total[i]! += sum.data[i]!;
    records += sum.records;
  }
  const data = Array.from(total, (_, i) => total[(i % pixels) * 3 + 2 - Math.floor(i / pixels)]! / records);
  return { num: 1, channels: 3, height, width, data };
}
