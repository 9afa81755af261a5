/** Leak radar: near-identical pictures under different patients in different folds, which folds by patient do not stop. */
import type { Fold } from '../labels/types.ts';
import type { FoldRow } from './eyes.ts';

/** A picture with its perceptual hash. */
export interface HashedPicture {
  image: string;
  patient: string;
  level: number;
  /** One, or with `folds.unit: record` all in which the eye has records. */
  folds: Fold[];
  /** As hexadecimal digits, a multiple of eight. */
  hash: string;
}

export interface NearDuplicate {
  /** Bits of the hash that differ. */
  distance: number;
  a: Omit<HashedPicture, 'hash'>;
  b: Omit<HashedPicture, 'hash'>;
}

export interface FoundDuplicates {
  /** The closest first; at most `LISTED`. */
  listed: NearDuplicate[];
  pairs: number;
  /** Pairs of which one is trained on and the other judged on. */
  trainTest: number;
}

/** Where a set holds one picture thousands of times, the pairs would fill the memory: all are counted, these are listed. */
export const LISTED = 10_000;

/** A table of the keys of a band has two to this many places. */
const MOST_BAND_BITS = 20;

/** The pictures of the folds that have a hash. */
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
 * Every pair of other patients and folds whose hashes differ in at most `distance` bits.
 *
 * Not every picture need be compared with every other: of `distance` + 1 bands of bits at least one must be equal, so only pictures
 * that share a band are compared (35,126 in a second instead of ten).
 */
export function findNearDuplicates(pictures: readonly HashedPicture[], distance: number): FoundDuplicates {
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
  const found: FoundDuplicates = { listed: [], pairs: 0, trainTest: 0 };
  const compare = (i: number, j: number) => {
    const differing = differingBits(hashes[i]!, hashes[j]!, distance);
    if (differing > distance) return;
    const [a, b] = [pictures[i]!, pictures[j]!];
    if (a.patient === b.patient || new Set([...a.folds, ...b.folds]).size < 2) return;
    found.pairs++;
    if (meet(a, b) || meet(b, a)) found.trainTest++;
    const list = byDistance[differing]!;
    if (list.length < LISTED) list.push({ distance: differing, a: withoutHash(a), b: withoutHash(b) });
  };
  for (const [band, key] of keys.entries()) {
    // The last picture with each key, and for each picture the one before it with the same.
    const last = new Int32Array(2 ** width).fill(-1);
    const before = new Int32Array(pictures.length);
    for (let j = 0; j < pictures.length; j++) {
      before[j] = last[key[j]!]!;
      last[key[j]!] = j;
      for (let i = before[j]!; i >= 0; i = before[i]!) {
        // Those that share an earlier band too have been compared.
        let earlier = 0;
        while (keys[earlier]![i] !== keys[earlier]![j]) earlier++;
        if (earlier === band) compare(i, j);
      }
    }
  }
  const order = new Map(pictures.map(({ image }, i) => [image, i]));
  const place = (pair: NearDuplicate) => order.get(pair.a.image)! * pictures.length + order.get(pair.b.image)!;
  for (const list of byDistance) list.sort((p, q) => place(p) - place(q));
  found.listed = byDistance.flat().slice(0, LISTED);
  return found;
}

function meet(a: HashedPicture, b: HashedPicture): boolean {
  return a.folds.includes('train') && b.folds.includes('test');
}

function withoutHash({ hash, ...picture }: HashedPicture): Omit<HashedPicture, 'hash'> {
  return picture;
}

/** `count` bits from bit `start`, the highest of the first word being bit 0. */
function bitsOf(words: Uint32Array, start: number, count: number): number {
  let bits = 0;
  for (let at = start; at < start + count; at++) bits = (bits << 1) | ((words[at >> 5]! >>> (31 - (at & 31))) & 1);
  return bits;
}

/** Stops counting above `limit`. */
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
