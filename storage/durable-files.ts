/** Writing to a disk so that it is there after a power cut, and saying clearly when there is no room. */
import { mkdir, open, rm, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';

/** A disk or quota is full. Retryable: it passes when somebody makes room. */
export class NoSpace extends Error {
  override readonly name = 'NoSpace';
  readonly code = 'ENOSPC';
}

/**
 * Does `work`, which writes about `bytes` below `folder` (existing).
 * @throws NoSpace when they don't fit
 */
export async function withRoom<Result>(folder: string, bytes: number, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (!['ENOSPC', 'EDQUOT'].includes(errorCode(error))) throw error;
    throw noSpace(bytes, folder, await freeIn(folder), error);
  }
}

/** Says that `bytes` do not fit where only `free` are left. */
export function noSpace(bytes: number, where: string, free: number, cause?: unknown): NoSpace {
  return new NoSpace(
    `Expected ${megabytes(bytes)} to fit into ${where}, got ${megabytes(free)} free: make room, the work goes on by itself`,
    { cause },
  );
}

/** Bytes that an ordinary user may still write to the folder's file system. */
export async function freeIn(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

/** Writes a new file and waits until the disk has it. What cannot be written whole is removed. */
export async function writeDurably(path: string, bytes: Uint8Array): Promise<void> {
  const handle = await open(path, 'wx');
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  } finally {
    await handle.close();
  }
}

/** Makes the folder and those above it, as far as they are missing, to last. */
export async function makeFolder(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true });
  if (first === undefined) return;
  for (let made = path; made.length >= first.length; made = dirname(made)) await syncFolder(dirname(made));
}

/** Waits until the disk has the folder's entries. A folder that is gone has none. */
export async function syncFolder(path: string): Promise<void> {
  try {
    const handle = await open(path, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
  }
}

/** `ENOENT` and the like; empty for anything that the system did not raise. */
export function errorCode(error: unknown): string {
  return (error as NodeJS.ErrnoException | undefined)?.code ?? '';
}

const megabytes = (bytes: number) => `${(bytes / 1e6).toLocaleString('en', { maximumFractionDigits: 1 })} MB`;
