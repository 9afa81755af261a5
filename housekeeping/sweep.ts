/** Finds what no run refers to, and removes it. */
import type { ArtifactStore } from '../storage/store.ts';
import { whileTidying } from '../storage/tidying.ts';
import { takeInventory } from './inventory.ts';
import { type Leftover, makesComplete, type Sweep, type SweepOptions, unreferenced } from './unreferenced.ts';

/** Looks, and changes nothing. */
export async function look(store: ArtifactStore, options: SweepOptions): Promise<Sweep> {
  return unreferenced(await takeInventory(store), options);
}

/**
 * Looks and removes, while nobody opens a stage. Killed at any moment, what is left is either whole or not taken for whole.
 * @param onRemoved told of each that is gone
 * @throws StoreBusy when another process is at it
 */
export async function sweep(
  store: ArtifactStore,
  options: SweepOptions,
  onRemoved: (leftover: Leftover) => void,
): Promise<Sweep> {
  return whileTidying(store, async mayGoOn => {
    const found = await look(store, options);
    const remove = async (keys: readonly string[]) => {
      for (const key of keys) {
        await mayGoOn();
        await store.remove(key);
      }
    };
    // Of all of them, as what a download's manifest speaks of lies among the archives.
    for (const { keys } of found.leftovers) await remove(keys.filter(makesComplete));
    for (const leftover of found.leftovers) {
      await remove(leftover.keys.filter(key => !makesComplete(key)));
      onRemoved(leftover);
    }
    return found;
  });
}
