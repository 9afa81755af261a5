/** Chance that is the same at every run: it hangs on a seed and on what is shuffled, and on nothing else. */
import { createHash } from 'node:crypto';

/**
 * A number from 0 to 1 that belongs to `id` under this seed and purpose, whatever else there is: a thing keeps its number when
 * others are added.
 */
export function seededRank(seed: number, purpose: string, id: string): number {
  return createHash('sha256').update(`${seed}\0${purpose}\0${id}`).digest().readUIntBE(0, 6) / 2 ** 48;
}

/** The items in an order of chance that does not depend on the order they came in. `idOf` names each uniquely. */
export function seededShuffle<Item>(
  items: readonly Item[],
  seed: number,
  purpose: string,
  idOf: (item: Item) => string,
): Item[] {
  return items
    .map(item => ({ item, id: idOf(item), rank: seededRank(seed, purpose, idOf(item)) }))
    .sort((a, b) => a.rank - b.rank || (a.id < b.id ? -1 : 1))
    .map(({ item }) => item);
}
