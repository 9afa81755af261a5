/** Cache of stored objects on this machine's disk, by checksum, so that an object needed often is fetched once. */
import { lstat, open, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { ownerName, stateOfOwner } from '../lib/process/process-id.mjs';
import { quote } from '../lib/quote.ts';
import { codeOf } from '../lib/system-errors.ts';
import { fileChecksum, getFile } from './artifacts.ts';
import { hex, sha256 } from './checksum.ts';
import type { Artifact, ArtifactStore } from './store.ts';

export interface CacheOptions {
  /** Bytes that the copies may take. The least recently used are removed first. Default: RETINOPATHY_CACHE_GB, or 100 GB. */
  limit?: number;
  env?: NodeJS.ProcessEnv;
}

const DEFAULT_GB = 100;

/** Time from a copy's last use to its earliest removal. A caller may have its path and not have opened it yet. */
const IN_USE_MS = 60 * 60 * 1000;

/** Checks and fetches in progress in this process, by path. */
const underWay = new Map<string, Promise<void>>();

/** Paths of copies that this process has fetched, or has read and verified. */
const verified = new Set<string>();

/**
 * Returns the path of a local copy of the artifact, read-only and valid for an hour. Several processes may ask for the same one at
 * once. Each process verifies a copy once before its first use, and replaces a corrupt one.
 * @param folder existing, owned by this user alone, shared by the workers of this machine
 * @throws CorruptObject when the stored bytes differ; NoSpace
 */
export async function cachedFile(
  store: ArtifactStore,
  folder: string,
  artifact: Artifact,
  options: CacheOptions = {},
): Promise<string> {
  const limit = options.limit ?? cacheLimit(options.env ?? process.env);
  const path = join(folder, nameOf(store, artifact));
  let readying = underWay.get(path);
  if (!readying) {
    readying = ready(store, folder, artifact, path, limit).finally(() => underWay.delete(path));
    underWay.set(path, readying);
  }
  await readying;
  return path;
}

/** Marks a copy as unverified after its reader rejected it, so that it is read again before its next use. */
export function distrustCopy(path: string): void {
  verified.delete(path);
}

/** Returns the cache's limit in bytes, from RETINOPATHY_CACHE_GB. @throws RangeError when the setting is no number from 0 */
export function cacheLimit(env: NodeJS.ProcessEnv): number {
  const text = env.RETINOPATHY_CACHE_GB || String(DEFAULT_GB);
  const gigabytes = Number(text);
  if (!(gigabytes >= 0))
    throw new RangeError(`Expected RETINOPATHY_CACHE_GB to be a number from 0, got \`${quote(text)}\``);
  return gigabytes * 1e9;
}

/**
 * Returns the file name of a copy. It holds a hash of the key too. With 32 bits of checksum alone, two of a thousand objects would
 * collide in one of ten thousand caches.
 */
function nameOf(store: ArtifactStore, { key, offset = 0, size, crc32c }: Artifact): string {
  const whose = sha256(JSON.stringify([store.url, key, offset])).slice(0, 16);
  return `${hex(crc32c)}-${size}-${whose}`;
}

async function ready(store: ArtifactStore, folder: string, artifact: Artifact, path: string, limit: number) {
  if (await isWhole(path, folder, artifact)) return;
  verified.delete(path);
  await fetch(store, folder, artifact, path, limit);
  verified.add(path);
}

/** Returns whether a copy with the artifact's bytes exists and belongs to the folder's owner. Marks its use. A link is no copy. */
async function isWhole(path: string, folder: string, { size, crc32c }: Artifact): Promise<boolean> {
  try {
    const copy = await lstat(path);
    if (!copy.isFile() || copy.size !== size || copy.uid !== (await stat(folder)).uid) return false;
    if (!verified.has(path) && (await fileChecksum(path)) !== crc32c) return false;
    verified.add(path);
    await utimes(path, new Date(), new Date());
    return true;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false;
    throw error;
  }
}

async function fetch(store: ArtifactStore, folder: string, artifact: Artifact, path: string, limit: number) {
  await makeRoom(folder, limit - artifact.size);
  const temp = join(folder, `fetch~${ownerName()}`);
  try {
    await getFile(store, artifact, temp);
    // The fsync comes before the rename, so that a power cut cannot leave a named copy without its bytes.
    const handle = await open(temp, 'r+');
    await handle.sync().finally(() => handle.close());
    await rename(temp, path);
  } finally {
    await rm(temp, { force: true });
  }
}

/** Removes files of dead processes, and the least recently used copies until the rest takes at most `limit` bytes. */
async function makeRoom(folder: string, limit: number): Promise<void> {
  const copies: { path: string; size: number; used: number }[] = [];
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    const [what, ...owner] = name.split('~');
    if (what === 'fetch' && stateOfOwner(owner.join('~').replace(/\..*$/, '')) === 'gone')
      await rm(path, { force: true });
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
