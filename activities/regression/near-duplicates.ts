/** Finds leaks that folds by patient do not prevent: near-identical images of different patients in different folds. */
import { setImmediate } from 'node:timers/promises';
import type { Fold } from '../labels/types.ts';
import type { FoldRow } from './eyes.ts';

/** Image with its perceptual hash. */
export interface HashedPicture {
  image: string;
  patient: string;
  level: number;
  /** One fold, or with `folds.unit: record` all folds in which the eye has records. */
  folds: Fold[];
  /** Hexadecimal digits, their number a multiple of eight. */
  hash: string;
}

export interface NearDuplicate {
  /** Number of differing hash bits. */
  distance: number;
  a: Omit<HashedPicture, 'hash'>;
  b: Omit<HashedPicture, 'hash'>;
}

/** Maximum number of listed pairs. All pairs are counted, but a set that holds one image thousands of times would exhaust the memory. */
export const LISTED = 10_000;

const YIELD_EVERY = 1_000;
/** Maximum width of a band in bits. The lookup table of a band has 2 to the power of its width entries. */
const MOST_BAND_BITS = 20;

/** Returns the images of the folds that have a hash, each once. */
export function hashedPictures(rows: readonly FoldRow[], hashes: ReadonlyMap<string, string>): HashedPicture[] {
  const pictures = new Map<string, HashedPicture>();
  for (const { image, patient, level, fold } of rows) {
    const hash = hashes.get(image);
    if (hash === undefined) continue;
    const seen = pictures.get(image);
    if (seen === undefined) pictures.set(image, { image, patient, level, folds: [fold], hash });
    else if (!seen.folds.includes(fold)) seen.folds.push(fold);
  }
  return [...pictures.values()];
}

/**
 * Finds all pairs of images of different patients and folds whose hashes differ in at most `distance` bits.
 *
 * Of `distance` + 1 bands of bits at least one is equal in such a pair. So only images that share a band are compared. Measured with
 * 35,126 images: one second instead of ten.
 * @returns `listed`: the closest first, at most `LISTED`; `pairs`: number of all; `trainTest`: those of a training and a test image
 */
export async function findNearDuplicates(pictures: readonly HashedPicture[], distance: number) {
  const words = (pictures[0]?.hash.length ?? 0) / 8;
  const hashes = pictures.map(({ hash }) =>
    Uint32Array.from({ length: words }, (_, word) => Number.parseInt(hash.slice(word * 8, word * 8 + 8), 16)),
  );
  const bands = distance + 1;
  const width = Math.min(MOST_BAND_BITS, Math.floor((words * 32) / bands));
  const keys = Array.from({ length: bands }, (_, band) =>
    Uint32Array.from(hashes, hash => bitsOf(hash, band * width, width)),
  );
  const byDistance = Array.from({ length: distance + 1 }, (): NearDuplicate[] => []);
  let [pairs, trainTest] = [0, 0];
  const compare = (i: number, j: number) => {
    const differing = differingBits(hashes[i]!, hashes[j]!, distance);
    if (differing > distance) return;
    const [a, b] = [pictures[i]!, pictures[j]!];
    if (a.patient === b.patient || new Set([...a.folds, ...b.folds]).size < 2) return;
    pairs++;
    if (meet(a, b) || meet(b, a)) trainTest++;
    const list = byDistance[differing]!;
    if (list.length < LISTED) list.push({ distance: differing, a: withoutHash(a), b: withoutHash(b) });
  };
  for (const [band, key] of keys.entries()) {
    // Index of the last image with each key, and for each image the previous one with the same key.
    const last = new Int32Array(2 ** width).fill(-1);
    const before = new Int32Array(pictures.length);
    for (let j = 0; j < pictures.length; j++) {
      // Yields, so that heartbeats can be sent.
      if (j % YIELD_EVERY === 0) await setImmediate();
      before[j] = last[key[j]!]!;
      last[key[j]!] = j;
      for (let i = before[j]!; i >= 0; i = before[i]!) {
        // Pairs that also share an earlier band have been compared already.
        let earlier = 0;
        while (keys[earlier]![i] !== keys[earlier]![j]) earlier++;
        if (earlier === band) compare(i, j);
      }
    }
  }
  const order = new Map(pictures.map(({ image }, i) => [image, i]));
  const place = (pair: NearDuplicate) => order.get(pair.a.image)! * pictures.length + order.get(pair.b.image)!;
  for (const list of byDistance) list.sort((p, q) => place(p) - place(q));
  return { listed: byDistance.flat().slice(0, LISTED), pairs, trainTest };
}

function meet(a: HashedPicture, b: HashedPicture): boolean {
  return a.folds.includes('train') && b.folds.includes('test');
}

function withoutHash({ hash, ...picture }: HashedPicture): Omit<HashedPicture, 'hash'> {
  return picture;
}

/** Returns `count` bits from bit `start`. Bit 0 is the highest bit of the first word. */
function bitsOf(words: Uint32Array, start: number, count: number): number {
  let bits = 0;
  for (let at = start; at < start + count; at++) bits = (bits << 1) | ((words[at >> 5]! >>> (31 - (at & 31))) & 1);
  return bits;
}

/** Returns the number of differing bits. Stops counting above `limit`. */
function differingBits(a: Uint32Array, b: Uint32Array, limit: number): number {
  let differing = 0;
  for (let word = 0; word < a.length && differing <= limit; word++) differing += bitCount(a[word]! ^ b[word]!);
  return differing;
}

function bitCount(word: number): number {
  let n = word - ((word >>> 1) & 0x55555555);
  n = (n & 0x33333333) + ((n >>> 2) & 0x33333333);
  return Math.imul((n + (n >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}
