/** Whether an archive fits into the store, asked before hours are spent on it. */
import { noSpace } from '../../storage/durable-files.ts';
import type { ArtifactStore } from '../../storage/store.ts';
import type { SourceFile } from './source.ts';

/**
 * @param parts with the sizes of the listing, which are about right; a finished part is not counted again
 * @throws NoSpace
 */
export async function checkRoom(store: ArtifactStore, folder: string, parts: readonly SourceFile[]): Promise<void> {
  const free = await store.room();
  if (free === undefined) return;
  let missing = 0;
  for (const { name, size } of parts) {
    if (!(await store.head(`archives/${folder}/${name}.part.json`))) missing += size;
  }
  if (missing > free) throw noSpace(missing, store.url, free);
}
