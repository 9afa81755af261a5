/** Writes that survive a power cut, and a clear error when the disk is full. */
import { mkdir, open, rm, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { codeOf } from '../lib/system-errors.ts';
import { crc32c } from './checksum.ts';
import { wrongSize } from './store.ts';

/** A disk or quota is full. Retryable: a later attempt succeeds once space is free. */
export class NoSpace extends Error {
  override readonly name = 'NoSpace';
  readonly code = 'ENOSPC';
}

/**
 * Runs `work`, which writes about `bytes` below `folder` (existing).
 * @throws NoSpace when the disk or quota is full
 */
export async function withRoom<Result>(folder: string, bytes: number, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (!['ENOSPC', 'EDQUOT'].includes(codeOf(error))) throw error;
    throw noSpace(bytes, folder, await freeIn(folder), error);
  }
}

/** Creates the error for `bytes` that do not fit where only `free` bytes are left. */
export function noSpace(bytes: number, where: string, free: number, cause?: unknown): NoSpace {
  return new NoSpace(
    `Expected ${megabytes(bytes)} to fit into ${where}, got ${megabytes(free)} free: make room, the work goes on by itself`,
    { cause },
  );
}

/** Returns the bytes that an ordinary user may still write to the folder's file system. */
export async function freeIn(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

/**
 * Writes a new file and fsyncs it. Removes a file that could not be written whole.
 * @returns the CRC-32C of its bytes
 * @throws Error when the pieces are not `size` bytes in total
 */
export async function writeDurably(
  path: string,
  pieces: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  size: number,
): Promise<number> {
  const handle = await open(path, 'wx');
  let [crc, written] = [0, 0];
  try {
    for await (const piece of pieces) {
      await handle.writeFile(piece);
      crc = crc32c(piece, crc);
      written += piece.length;
    }
    if (written !== size) throw wrongSize(size, written);
    await handle.sync();
    return crc;
  } catch (error) {
    await rm(path, { force: true });
    throw naming(path, error);
  } finally {
    await handle.close();
  }
}

/** Creates the folder and its missing parents, and fsyncs their entries. */
export async function makeFolder(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true });
  if (first === undefined) return;
  for (let made = path; made.length >= first.length; made = dirname(made)) await syncFolder(dirname(made));
}

/** Fsyncs the folder's entries. Ignores a missing folder. */
export async function syncFolder(path: string): Promise<void> {
  try {
    const handle = await open(path, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw naming(path, error);
  }
}

/** Adds the path to an error of a file handle, which names no path. */
function naming(path: string, error: unknown): unknown {
  return codeOf(error) === '' ? error : Object.assign(error as Error, { path });
}

const megabytes = (bytes: number) => `${(bytes / 1e6).toLocaleString('en', { maximumFractionDigits: 1 })} MB`;
