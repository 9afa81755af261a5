/** Copies of stored objects on this machine's disk, by checksum, so that what is needed often is fetched once. */
import { open, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { sha256 } from './checksum.ts';
import { errorCode } from './durable-files.ts';
import { getFile } from './files.ts';
import { isOwnerGone, ownerName } from './owner.ts';
import type { Artifact, ArtifactStore } from './store.ts';

export interface CacheOptions {
  /** Bytes that the copies may take; the least recently used go first. Default: RETINOPATHY_CACHE_GB, or 100 GB. */
  limit?: number;
  env?: NodeJS.ProcessEnv;
}

const DEFAULT_GB = 100;

/** A copy is left alone so long after its last use: somebody was just told its path and may not have opened it yet. */
const IN_USE_MS = 60 * 60 * 1000;

/** Fetches under way in this process, by path. */
const underWay = new Map<string, Promise<void>>();

/**
 * The path of a local copy of the artifact: read only, and good for an hour. Several processes may ask for the same at once.
 * @param folder existing, shared by the workers of this machine
 * @throws ChecksumMismatch when the store holds other bytes; NoSpace
 */
export async function cachedFile(
  store: ArtifactStore,
  folder: string,
  artifact: Artifact,
  options: CacheOptions = {},
): Promise<string> {
  const limit = options.limit ?? cacheLimit(options.env ?? process.env);
  const path = join(folder, nameOf(store, artifact));
  if (await isUsed(path, artifact.size)) return path;
  let fetching = underWay.get(path);
  if (!fetching) {
    fetching = fetch(store, folder, artifact, path, limit).finally(() => underWay.delete(path));
    underWay.set(path, fetching);
  }
  await fetching;
  return path;
}

/** @throws RangeError when the setting is no number of gigabytes */
export function cacheLimit(env: NodeJS.ProcessEnv): number {
  const text = env.RETINOPATHY_CACHE_GB || String(DEFAULT_GB);
  const gigabytes = Number(text);
  if (!(gigabytes >= 0)) throw new RangeError(`Expected RETINOPATHY_CACHE_GB to be a number from 0, got \`${text}\``);
  return gigabytes * 1e9;
}

/** 32 bits of checksum alone would let two of a thousand objects meet once in ten thousand caches: the key is in the name too. */
function nameOf(store: ArtifactStore, { key, offset = 0, size, crc32c }: Artifact): string {
  const whose = sha256(JSON.stringify([store.url, key, offset])).slice(0, 16);
  return `${crc32c.toString(16).padStart(8, '0')}-${size}-${whose}`;
}

/** Whether a copy is there; marks its use. */
async function isUsed(path: string, size: number): Promise<boolean> {
  try {
    if ((await stat(path)).size !== size) return false;
    await utimes(path, new Date(), new Date());
    return true;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false;
    throw error;
  }
}

async function fetch(store: ArtifactStore, folder: string, artifact: Artifact, path: string, limit: number) {
  await makeRoom(folder, limit - artifact.size);
  const temp = join(folder, `fetch~${ownerName()}`);
  try {
    await getFile(store, artifact, temp);
    // The checksum is verified now and never again: what a power cut could undo must not be called a copy.
    const handle = await open(temp, 'r+');
    await handle.sync().finally(() => handle.close());
    await rename(temp, path);
  } finally {
    await rm(temp, { force: true });
  }
}

/** Removes the least recently used copies until the rest takes at most `limit` bytes, and what dead processes left. */
async function makeRoom(folder: string, limit: number): Promise<void> {
  const copies: { path: string; size: number; used: number }[] = [];
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    const [what, ...owner] = name.split('~');
    if (what === 'fetch' && isOwnerGone(owner.join('~').replace(/\..*$/, ''))) await rm(path, { force: true });
    if (!/^[0-9a-f]{8}-\d+-[0-9a-f]{16}$/.test(name)) continue;
    const found = await stat(path).catch(() => undefined);
    if (found) copies.push({ path, size: found.size, used: found.mtimeMs });
  }
  copies.sort((a, b) => a.used - b.used);
  let taken = copies.reduce((sum, { size }) => sum + size, 0);
  for (const { path, size, used } of copies) {
    if (taken <= limit || Date.now() - used < IN_USE_MS) return;
    await rm(path, { force: true });
    taken -= size;
  }
}
