/** Files of the regression in the store. */
import { bytesArtifact, getJson } from '../../storage/files.ts';
import type { Manifest } from '../../storage/manifest.ts';
import type { Artifact, ArtifactStore } from '../../storage/store.ts';
import { finalFailure } from '../failures.ts';

/**
 * A finished stage's file by name.
 * @param prefix `stages/<stage>/<key>`
 * @throws a final failure when the stage is not finished or wrote no such file
 */
export async function readOutput(store: ArtifactStore, prefix: string, name: string): Promise<Buffer> {
  const manifest = await readManifest(store, prefix);
  const artifact = manifest?.outputs[name];
  if (artifact === undefined) {
    const found = manifest === undefined ? 'no manifest' : Object.keys(manifest.outputs).join(', ');
    throw finalFailure(
      'BadInput',
      `Expected ${prefix} to be finished and to hold ${name}, got ${found}. Run its stage first`,
    );
  }
  return store.get(artifact.key);
}

/** Undefined where the stage is not finished. */
export function readManifest(store: ArtifactStore, prefix: string): Promise<Manifest | undefined> {
  return getJson(store, `${prefix}/manifest.json`);
}

/** Stores a file of the run's report over an earlier one. */
export async function storeOver(store: ArtifactStore, key: string, content: string | Uint8Array): Promise<Artifact> {
  const bytes = Buffer.from(content);
  await store.put(key, bytes, { overwrite: true });
  return bytesArtifact(key, bytes);
}
