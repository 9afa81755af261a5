/** The attempts at an upload of the file driver: who goes on with which folder below `.tmp/uploads`. */
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32c } from './checksum.ts';
import { errorCode } from './durable-files.ts';
import { isOwnerGone, ownerName } from './owner.ts';
import type { Upload } from './store.ts';
import { parseJournal } from './upload-journal.ts';

export interface Attempt {
  path: string;
  /** Nobody writes to it any more. */
  free: boolean;
  /** Its parts with their CRC-32C. */
  done: Map<number, number>;
}

/** An upload that nobody goes on with is given up after a week, as is the custom for S3's. */
const ABANDONED_MS = 7 * 24 * 3600 * 1000;
const IDLE = 'idle';
/** What `stat` counts in, whatever the file system's own blocks are. */
const BLOCK = 512;

/** Name of an attempt's folder once the attempt has let go of it. */
export const idleName = (what: string) => `${what}~${IDLE}~${ownerName()}`;

/**
 * Makes the folder `own`: of the free attempt at the same upload that got farthest, or new.
 * @param what hashes of the key and of tag and sizes, with which the attempts' names begin
 * @returns the other attempts
 */
export async function takeOver(uploads: string, what: string, own: string, temporary: string): Promise<Attempt[]> {
  for (;;) {
    const attempts = await attemptsAt(uploads, `${what}~`);
    const best = attempts.find(attempt => attempt.free);
    if (!best) {
      await mkdir(own);
      return attempts;
    }
    const data = await stat(join(best.path, 'data')).catch(() => undefined);
    if (data && data.nlink > 1) {
      // Killed between the object's appearing and the tidying up: this file is the object, and must not be written again.
      await discard(best.path, temporary);
      continue;
    }
    try {
      await rename(best.path, own);
      return attempts.filter(attempt => attempt !== best);
    } catch (error) {
      // Somebody else has just taken it.
      if (errorCode(error) !== 'ENOENT') throw error;
    }
  }
}

/** The one with the most parts first. */
async function attemptsAt(uploads: string, begin: string): Promise<Attempt[]> {
  const attempts: Attempt[] = [];
  for (const name of await readdir(uploads)) {
    if (!name.startsWith(begin)) continue;
    const path = join(uploads, name);
    const text = await readFile(join(path, 'journal'), 'latin1').catch(() => '');
    attempts.push({ path, free: isFree(name), done: parseJournal(text).done });
  }
  return attempts.sort((a, b) => b.done.size - a.done.size);
}

function isFree(name: string): boolean {
  const [, ...owner] = name.split('~');
  return owner[0] === IDLE || isOwnerGone(owner.join('~'));
}

/** Copies the parts that another attempt has done and `upload` has not. The other may vanish meanwhile. */
export async function copyParts(
  from: Attempt,
  upload: Upload,
  { partSize, lengthOf }: { partSize: number; lengthOf: (n: number) => number },
): Promise<void> {
  const missing = [...from.done].filter(([n]) => !upload.done.has(n));
  const data = missing.length > 0 ? await open(join(from.path, 'data'), 'r').catch(() => undefined) : undefined;
  if (!data) return;
  try {
    for (const [n, crc] of missing) {
      const bytes = Buffer.allocUnsafe(lengthOf(n));
      const { bytesRead } = await data.read(bytes, 0, bytes.length, n * partSize);
      if (bytesRead === bytes.length && crc32c(bytes) === crc) await upload.put(n, bytes, crc);
    }
  } finally {
    await data.close();
  }
}

/** Removes an attempt's folder. After one rename nobody can take it over half-removed. */
export async function discard(path: string, temporary: string): Promise<void> {
  const passing = join(temporary, 'passing');
  await mkdir(passing, { recursive: true });
  const gone = join(passing, ownerName());
  try {
    await rename(path, gone);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return;
    throw error;
  }
  await rm(gone, { recursive: true, force: true });
}

/**
 * Removes what dead or idle attempts at an object have left, now that it is there: also those of another version of the source, which
 * may have changed in between and back.
 * @param ofKey hash of the key, with which their names begin
 */
export async function discardFree(uploads: string, ofKey: string, temporary: string): Promise<void> {
  for (const { path, free } of await attemptsAt(uploads, `${ofKey}.`)) if (free) await discard(path, temporary);
}

/** Bytes on the disk of unfinished uploads: whoever goes on with one needs that much less room. */
export async function heldByUploads(temporary: string): Promise<number> {
  const uploads = join(temporary, 'uploads');
  let bytes = 0;
  for (const name of await namesIn(uploads)) {
    const data = await stat(join(uploads, name, 'data')).catch(() => undefined);
    // What is not written yet of a file takes no blocks.
    bytes += (data?.blocks ?? 0) * BLOCK;
  }
  return bytes;
}

/** Removes what dead processes left: their temporary files at once, unfinished uploads when nobody has gone on for a week. */
export async function removeLeftovers(temporary: string): Promise<void> {
  const passing = join(temporary, 'passing');
  for (const name of await namesIn(passing)) {
    if (isOwnerGone(name)) await rm(join(passing, name), { recursive: true, force: true });
  }
  const uploads = join(temporary, 'uploads');
  for (const name of await namesIn(uploads)) {
    const path = join(uploads, name);
    const touched = await stat(join(path, 'journal')).catch(() => undefined);
    if (isFree(name) && touched && Date.now() - touched.mtimeMs > ABANDONED_MS) await discard(path, temporary);
  }
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  }
}
