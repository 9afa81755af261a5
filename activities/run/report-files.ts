/** Files of a run's report, `runs/<run>/report/<name>`, each with its checksum in `runs/<run>/checksums/<name>.json`. */

import { bytesArtifact, getArtifact, verifyArtifact } from '../../storage/artifacts.ts';
import { getJson, putJson } from '../../storage/documents.ts';
import { runFolder } from '../../storage/key-syntax.ts';
import { type Artifact, type ArtifactStore, CorruptObject, getIfThere } from '../../storage/store.ts';
import { readRecord } from './records.ts';

const fileKey = (run: string, name: string) => `${runFolder(run)}/report/${name}`;
const checksumKey = (run: string, name: string) => `${runFolder(run)}/checksums/${name}.json`;

/** Stores a file over an earlier one. Between the two writes it has no checksum, rather than a wrong one. */
export async function storeReportFile(
  store: ArtifactStore,
  run: string,
  name: string,
  content: string | Uint8Array,
): Promise<Artifact> {
  const artifact = await storePassingFile(store, run, name, content);
  await putJson(store, checksumKey(run, name), artifact, { overwrite: true });
  return artifact;
}

/** Stores a file that is soon replaced. It needs no checksum, as its figures are not read back. */
export async function storePassingFile(
  store: ArtifactStore,
  run: string,
  name: string,
  content: string | Uint8Array,
): Promise<Artifact> {
  const bytes = Buffer.from(content);
  await store.remove(checksumKey(run, name));
  await store.put(fileKey(run, name), bytes, { overwrite: true });
  return bytesArtifact(fileKey(run, name), bytes);
}

/** Reads a file as it was stored; undefined where there is none. @throws CorruptObject */
export async function readReportFile(store: ArtifactStore, run: string, name: string): Promise<Buffer | undefined> {
  const artifact = await getJson<Artifact>(store, checksumKey(run, name));
  return artifact ? getArtifact(store, artifact) : getIfThere(store, fileKey(run, name));
}

/** Returns the names of the files, including those that are missing but still have a checksum. */
export async function listReportFiles(store: ArtifactStore, run: string): Promise<string[]> {
  const [files, checksums] = [fileKey(run, ''), `${runFolder(run)}/checksums/`];
  const names = new Set<string>();
  for await (const { key } of store.list(files)) names.add(key.slice(files.length));
  for await (const { key } of store.list(checksums)) names.add(key.slice(checksums.length, -'.json'.length));
  return [...names].sort();
}

/** Describes for people what is missing or corrupt in a finished run; null when nothing is. Reads its records and its report. */
export async function faultOf(store: ArtifactStore, run: string): Promise<string | null> {
  try {
    const record = await readRecord(store, run);
    if (!record) return `Expected a run ${run} in ${store.url}, got none`;
    const [name] = Object.entries(record.stages).find(([, { finished }]) => !finished) ?? [];
    if (name !== undefined) return `its stage ${name} has lost what it wrote`;
    for (const file of await listReportFiles(store, run)) {
      const artifact = await getJson<Artifact>(store, checksumKey(run, file));
      if (artifact) await verifyArtifact(store, artifact);
    }
    return null;
  } catch (error) {
    if (error instanceof CorruptObject) return error.message;
    throw error;
  }
}
