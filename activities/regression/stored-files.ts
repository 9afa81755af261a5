/** Files of the regression in the store. */
import { crc32c } from '../../storage/checksum.ts';
import type { Manifest } from '../../storage/manifest.ts';
import { type Artifact, type ArtifactStore, ObjectNotFound } from '../../storage/store.ts';
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
export async function readManifest(store: ArtifactStore, prefix: string): Promise<Manifest | undefined> {
  const bytes = await readIfThere(store, `${prefix}/manifest.json`);
  return bytes === undefined ? undefined : (JSON.parse(bytes.toString('utf8')) as Manifest);
}

export async function readIfThere(store: ArtifactStore, key: string): Promise<Buffer | undefined> {
  try {
    return await store.get(key);
  } catch (error) {
    if (error instanceof ObjectNotFound) return undefined;
    throw error;
  }
}

/** Stores a file of the stage. What an earlier attempt stored stays, and is what the artifact describes. */
export async function storeOnce(store: ArtifactStore, key: string, content: string): Promise<Artifact> {
  const bytes = Buffer.from(content);
  const { created } = await store.put(key, bytes);
  return describe(key, created ? bytes : await store.get(key));
}

/** Stores a file of the run's report over an earlier one. */
export async function storeOver(store: ArtifactStore, key: string, content: string | Uint8Array): Promise<Artifact> {
  const bytes = Buffer.from(content);
  await store.put(key, bytes, { overwrite: true });
  return describe(key, bytes);
}

function describe(key: string, bytes: Uint8Array): Artifact {
  return { key, size: bytes.length, crc32c: crc32c(bytes) };
}
