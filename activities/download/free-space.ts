/** Checks that an archive fits into the store, before hours are spent on it. */
import { noSpace } from '../../storage/fsync.ts';
import type { ArtifactStore } from '../../storage/store.ts';
import type { SourceFile } from './source.ts';

/**
 * Compares the missing bytes with the free space of the store.
 * @param parts with the sizes of the listing, which are approximate; stored chunks are not counted again
 * @throws NoSpace
 */
export async function checkFreeSpace(
  store: ArtifactStore,
  folder: string,
  parts: readonly SourceFile[],
): Promise<void> {
  const free = await store.freeSpace();
  if (free === undefined) return;
  let missing = 0;
  for (const { name, size } of parts) {
    let stored = 0;
    for await (const chunk of store.list(`archives/${folder}/${name}/`)) stored += chunk.size;
    missing += Math.max(0, size - stored);
  }
  if (missing > free) throw noSpace(missing, store.url, free);
}
