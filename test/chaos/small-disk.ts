/** A file system of its own that can be full: in memory, and small. */
import { execFile } from 'node:child_process';
import { mkdir, open, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

export interface SmallDisk {
  folder: string;
  /** Takes all that is free, until the returned function gives it back. */
  fill(): Promise<() => Promise<void>>;
  /** Its content is gone then. */
  unmount(): Promise<void>;
}

const run = promisify(execFile);
const PIECE = Buffer.alloc(4 << 20);

/** @returns undefined where this process may not mount */
export async function mountSmallDisk(folder: string, megabytes: number): Promise<SmallDisk | undefined> {
  await mkdir(folder, { recursive: true });
  try {
    await run('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', folder]);
  } catch {
    return undefined;
  }
  const ballast = join(folder, '.ballast');
  return {
    folder,
    async fill() {
      const handle = await open(ballast, 'w');
      try {
        while ((await statfs(folder)).bavail > 0) await handle.write(PIECE);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      } finally {
        await handle.close();
      }
      return () => rm(ballast, { force: true });
    },
    async unmount() {
      await run('umount', ['-l', folder]);
    },
  };
}
