/** Deterministic random numbers. A seed gives the same numbers on every machine, and stored results depend on exactly these. */
import { createHash } from 'node:crypto';

/**
 * Creates the generator sfc32 (Chris Doty-Humphrey, PractRand): 128 bits of state.
 * @returns a function that returns the next 32 bits
 */
function sfc32(a: number, b: number, c: number): () => number {
  let counter = 1;
  return () => {
    const bits = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + bits) | 0;
    return bits >>> 0;
  };
}

/**
 * Creates a generator from a seed.
 * @param seed any integer, spread by splitmix32; only its low 32 bits count
 * @returns a function that returns the next number of [0, 1), with 32 random bits
 */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  const splitmix = (): number => {
    state = (state + 0x9e3779b9) | 0;
    let z = state ^ (state >>> 16);
    z = Math.imul(z, 0x21f0aaad);
    z ^= z >>> 15;
    z = Math.imul(z, 0x735a2d97);
    return (z ^ (z >>> 15)) | 0;
  };
  const bits = sfc32(splitmix(), splitmix(), splitmix());
  return () => bits() / 2 ** 32;
}

/** Returns a copy of `items` in random order (Fisher and Yates). */
export function shuffled<T>(items: readonly T[], next: () => number): T[] {
  const copy = [...items];
  for (let i = copy.length - 1; i > 0; i--) {
    const j = Math.floor(next() * (i + 1));
    [copy[i], copy[j]] = [copy[j]!, copy[i]!];
  }
  return copy;
}

/**
 * Returns the items in random order, independent of their input order. The order of two items does not depend on the others.
 * `idOf` returns a unique id of each.
 */
export function seededShuffle<Item>(
  items: readonly Item[],
  seed: number,
  purpose: string,
  idOf: (item: Item) => string,
): Item[] {
  const rank = (id: string) =>
    createHash('sha256').update(`${seed}\0${purpose}\0${id}`).digest().readUIntBE(0, 6) / 2 ** 48;
  return items
    .map(item => ({ item, id: idOf(item), rank: rank(idOf(item)) }))
    .sort((a, b) => a.rank - b.rank || (a.id < b.id ? -1 : 1))
    .map(({ item }) => item);
}

/** Mixes the parts of a seed into 32 bits (FNV-1a with a final avalanche). */
function hash(text: string, basis: number): number {
  let h = basis >>> 0;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/**
 * A generator seeded by any list of words and numbers. With one generator per object, neither order nor number of objects changes
 * any of them.
 */
export class Random {
  /** 32 random bits. */
  readonly bits: () => number;

  constructor(...seed: readonly (string | number)[]) {
    const text = seed.join('/');
    this.bits = sfc32(hash(text, 0x811c9dc5), hash(text, 0x9e3779b9), hash(text, 0x243f6a88));
    for (let i = 0; i < 12; i++) this.bits();
  }

  /** Returns the next number of [0, 1). */
  next(): number {
    return this.bits() / 2 ** 32;
  }

  between(low: number, high: number): number {
    return low + (high - low) * this.next();
  }

  /** Returns an integer from `low` to `high`, both included. */
  whole(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1));
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  /** Returns 1 or -1. */
  sign(): number {
    return this.chance(0.5) ? 1 : -1;
  }

  pick<Item>(list: readonly Item[]): Item {
    return list[Math.floor(this.next() * list.length)]!;
  }

  /** Returns a Gaussian number (Box and Muller). */
  normal(mean = 0, deviation = 1): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.next()));
    return mean + deviation * radius * Math.cos(2 * Math.PI * this.next());
  }

  /** Returns a count with this mean (Knuth). Means here are far below 700, where the method would underflow. */
  poisson(mean: number): number {
    const limit = Math.exp(-mean);
    let count = 0;
    for (let product = this.next(); product > limit; product *= this.next()) count++;
    return count;
  }
}
