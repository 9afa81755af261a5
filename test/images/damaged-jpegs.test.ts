/** Damaged JPEGs are refused with the same reason each time, whatever is decoded beside them; odd but whole ones are taken. */
import { readdirSync, readFileSync } from 'node:fs';
import pLimit from 'p-limit';
import sharp, { type JpegOptions } from 'sharp';
import { beforeAll, describe, expect, test } from 'vitest';
import { UnusablePicture } from '../../activities/images/decode-jpeg.ts';
import { preparePicture } from '../../activities/images/prepare-picture.ts';
import { eyeJpeg } from './support.ts';

const options = { size: 64, fuzz: 0.15, versions: ['a'], enhance: 'none' } as const;
const folder = new URL('fixtures/damaged/', import.meta.url);
const fixture = (name: string) => readFileSync(new URL(`${name}.jpeg`, folder));

const CUT_SHORT = 'Expected a JPEG that can be decoded, got one that is cut short';
const ENDS_EARLY = 'Expected a JPEG that can be decoded, got damaged data: premature end of data segment';

/** The reason, or the box of the eye. */
function verdictOn(jpeg: Uint8Array): Promise<unknown> {
  return preparePicture(jpeg, options).then(
    ({ crop }) => crop,
    error => {
      expect(error).toBeInstanceOf(UnusablePicture);
      return error.message;
    },
  );
}

/** What is made of the fixtures: one synthetic eye, damaged or varied. */
const eye = { left: 62, top: 12, width: 277, height: 277 };
const VERDICTS: Record<string, unknown> = {
  plain: eye,
  arithmetic: eye,
  cmyk: eye,
  mpo: eye,
  orient6: { left: 11, top: 62, width: 277, height: 277 },
  'restart-wrong': eye,
  // Wrong bits that still are a JPEG: no decoder can tell.
  'mid-corrupt': eye,
  'mid-marker': ENDS_EARLY,
  'mid-zeros': ENDS_EARLY,
  'sof-height-double': ENDS_EARLY,
  'no-eoi': CUT_SHORT,
  'thumb-no-eoi': CUT_SHORT,
  'thumb-trunc-half': CUT_SHORT,
};
const ROUNDS = process.env.RETINOPATHY_LONG ? 50 : 2;

test(`eight at once get the same verdicts in each of ${ROUNDS} rounds`, async () => {
  const names = readdirSync(folder).map(name => name.replace('.jpeg', ''));
  expect(names.sort()).toEqual(Object.keys(VERDICTS).sort());
  const limit = pLimit(8);
  const rounds = Array.from({ length: ROUNDS }, (_, round) =>
    // Each round in another order, so that each has other neighbors.
    names.map((_, n) => names[(n * 5 + round) % names.length]!),
  );
  await Promise.all(
    rounds.flat().map(name =>
      limit(async () => {
        expect([name, await verdictOn(fixture(name))]).toEqual([name, VERDICTS[name]]);
      }),
    ),
  );
}, 1_200_000);

const marker = (jpeg: Buffer, code: number, from = 0) => jpeg.indexOf(Buffer.from([0xff, code]), from);
const frameOf = (jpeg: Buffer) => Math.max(marker(jpeg, 0xc0), marker(jpeg, 0xc2));
const dataOf = (jpeg: Buffer) => marker(jpeg, 0xda, frameOf(jpeg));
const insert = (jpeg: Buffer, at: number, bytes: number[]) =>
  Buffer.concat([jpeg.subarray(0, at), Buffer.from(bytes), jpeg.subarray(at)]);
const cutOut = (jpeg: Buffer, from: number, to: number) => Buffer.concat([jpeg.subarray(0, from), jpeg.subarray(to)]);
const overwrite = (jpeg: Buffer, at: number, bytes: Uint8Array | number[]) => {
  const copy = Buffer.from(jpeg);
  copy.set(bytes, at);
  return copy;
};
const closedAt = (jpeg: Buffer, at: number) => Buffer.concat([jpeg.subarray(0, at), Buffer.from([0xff, 0xd9])]);
const middleOf = (jpeg: Buffer) => (dataOf(jpeg) + jpeg.length) >> 1;

/** Places of the restart markers. */
function restartsOf(jpeg: Buffer): number[] {
  const places: number[] = [];
  for (let at = dataOf(jpeg); at < jpeg.length - 1; at++) {
    if (jpeg[at] === 0xff && jpeg[at + 1]! >= 0xd0 && jpeg[at + 1]! <= 0xd7) places.push(at);
  }
  return places;
}

let plain: Buffer;
/** With 4:4:4, where libvips looks for no warning after the last row of blocks. */
let fine: Buffer;
let progressive: Buffer;
/** Decoded shrunk, so that the last lines for which libvips does not look are many. */
let large: Buffer;
/** With restart markers, all numbered right. */
let restarts: Buffer;

beforeAll(async () => {
  plain = await eyeJpeg(3);
  const again = (options: JpegOptions) =>
    sharp(plain)
      .jpeg({ quality: 90, ...options })
      .toBuffer();
  fine = await again({ chromaSubsampling: '4:4:4' });
  progressive = await again({ progressive: true });
  large = await sharp(plain).resize(2600, 1740).jpeg().toBuffer();
  restarts = fixture('restart-wrong');
  for (const [n, at] of restartsOf(restarts).entries()) restarts[at + 1] = 0xd0 + (n % 8);
});

describe('refuses', () => {
  const ended = /got damaged data: premature end of data segment/;
  test.each<[string, () => Buffer, RegExp]>([
    ['one cut short and closed with an end marker', () => closedAt(plain, middleOf(plain)), ended],
    ['the same with 4:4:4', () => closedAt(fine, middleOf(fine)), ended],
    ['the same, progressive', () => closedAt(progressive, middleOf(progressive)), ended],
    ['one that lacks its last lines only', () => closedAt(fine, fine.length - 20), ended],
    ['a large one that lacks its last lines only', () => closedAt(large, large.length - 200), ended],
    ['a large one without an end', () => large.subarray(0, -2), /got one that is cut short$/],
    ['one cut in the Huffman table', () => plain.subarray(0, marker(plain, 0xc4) + 10), /got one that is cut short$/],
    ['one cut in the frame', () => plain.subarray(0, frameOf(plain) + 6), /got one that is cut short$/],
    ['one cut in the header of the scan', () => plain.subarray(0, dataOf(plain) + 5), /got one that is cut short$/],
    ['twice the width', () => overwrite(plain, frameOf(plain) + 7, [(2 * 240) >> 8, (2 * 240) & 0xff]), ended],
    [
      'half the height, progressive',
      () => overwrite(progressive, frameOf(progressive) + 5, [0, 80]),
      /got damaged data: /,
    ],
    [
      'no quantization table',
      () => cutOut(plain, marker(plain, 0xdb), marker(plain, 0xdb) + 2 + plain.readUInt16BE(marker(plain, 0xdb) + 2)),
      /got data that libjpeg refuses: Quantization table 0x00 was not defined$/,
    ],
    ['bytes missing in the middle', () => cutOut(fine, middleOf(fine), middleOf(fine) + 400), /got damaged data: /],
    ['a hole of ones', () => overwrite(plain, middleOf(plain), Buffer.alloc(200, 0xff)), /got damaged data: /],
    [
      'a restart interval missing',
      () => cutOut(restarts, restartsOf(restarts)[3]!, restartsOf(restarts)[4]!),
      /got damaged data: found marker 0xd4 instead of RST3 \(and \d+ more\)$/,
    ],
    [
      'a restart interval that holds too much',
      () => insert(restarts, restartsOf(restarts)[4]!, [1, 2, 3]),
      /got damaged data: \d+ extraneous bytes before marker 0xd4$/,
    ],
    [
      'damage behind a harmless oddity',
      () => {
        const wrong = fixture('restart-wrong');
        return overwrite(wrong, restartsOf(wrong).at(-3)! + 12, Buffer.alloc(60));
      },
      /got damaged data: found marker 0xd4 instead of RST1 \(and \d+ more\)$/,
    ],
  ])('%s', async (_, make, reason) => {
    const refused = preparePicture(make(), options);
    await expect(refused).rejects.toBeInstanceOf(UnusablePicture);
    await expect(refused).rejects.toThrow(reason);
    await expect(refused).rejects.not.toThrow(/\n/);
  });
});

describe('takes', () => {
  test.each<[string, () => Buffer, () => Buffer]>([
    ['bytes behind the end', () => Buffer.concat([plain, Buffer.alloc(100, 7)]), () => plain],
    ['zeros before the end marker', () => insert(plain, plain.length - 2, [0, 0, 0, 0]), () => plain],
    ['bytes between the segments of the header', () => insert(plain, marker(plain, 0xc4), [1, 2, 3]), () => plain],
    [
      'a JFIF of the next revision',
      () => overwrite(fixture('plain'), marker(fixture('plain'), 0xe0) + 9, [2, 1]),
      () => fixture('plain'),
    ],
    ['a wrong number of a restart marker', () => fixture('restart-wrong'), () => restarts],
  ])('%s, and gives the same image', async (_, odd, whole) => {
    const [one, other] = await Promise.all([odd(), whole()].map(jpeg => preparePicture(jpeg, options)));
    expect(one!.crop).toEqual(other!.crop);
    expect(one!.pngs[0]!.bytes.equals(other!.pngs[0]!.bytes)).toBe(true);
  });
});

test('a stop while libjpeg is asked ends with its reason', async () => {
  const stopped = new Error('stopped');
  const stop = AbortSignal.abort(stopped);
  await expect(preparePicture(fixture('mid-zeros'), options, stop)).rejects.toBe(stopped);
});
