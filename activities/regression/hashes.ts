/** The perceptual hashes that lie in the indexes of the shards. */
import type { ArtifactStore } from '../../storage/store.ts';
import { readIndexes } from '../labels/shards.ts';
import { readManifest } from './stored-files.ts';

/**
 * By picture; empty where the pictures were prepared without.
 * @param label `stages/label/<key>`: its manifest names the shards it was dealt from
 */
export async function readHashes(store: ArtifactStore, label: string): Promise<Map<string, string>> {
  const prepare = (await readManifest(store, label))?.inputs.prepare;
  const hashes = new Map<string, string>();
  if (prepare === undefined) return hashes;
  for (const { index } of await readIndexes(store, `stages/prepare/${prepare}`)) {
    for (const { image, hash } of index.pictures) if (hash !== undefined) hashes.set(image, hash);
  }
  return hashes;
}
