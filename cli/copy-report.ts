/** A run's report, out of the store. */
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ArtifactStore } from '../storage/store.ts';
import { UserError } from './user-error.ts';

/** Copies what lies under `prefix` in the store into a folder, each file whole. */
export async function copyReport(store: ArtifactStore, prefix: string, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  let files = 0;
  for await (const { key } of store.list(prefix)) {
    const file = join(folder, key.slice(prefix.length).replaceAll('/', '_'));
    await writeFile(`${file}.new`, await store.get(key));
    await rename(`${file}.new`, file);
    files++;
  }
  if (files === 0) throw new UserError(`Expected a report at ${prefix} in ${store.url}, got nothing`);
}
