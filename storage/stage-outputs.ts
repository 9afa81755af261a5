/** Reads the manifests of finished stages. */
import { getJson } from './documents.ts';
import type { Manifest } from './manifest.ts';
import { type ArtifactStore, CorruptObject } from './store.ts';

/** Reads the manifest below `stages/<stage>/<key>`. @returns undefined when the stage is not finished. @throws CorruptObject */
export function readManifest(store: ArtifactStore, prefix: string): Promise<Manifest | undefined> {
  return getJson(store, `${prefix}/manifest.json`);
}

/** Returns the manifest of a stage that has finished before. @throws CorruptObject also when the manifest is missing */
export async function needManifest(store: ArtifactStore, prefix: string): Promise<Manifest> {
  const manifest = await readManifest(store, prefix);
  if (manifest) return manifest;
  const message = `Expected ${prefix} to be finished in ${store.url}, got no manifest`;
  throw new CorruptObject(store, `${prefix}/manifest.json`, message);
}
