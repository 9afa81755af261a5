/** The folder that keeps built tools between runs and projects, safe for several starts at once. */
import { randomBytes } from 'node:crypto';
import { access, mkdir, readdir, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { lockFile } from '../system/file-lock.mjs';

/** `$XDG_CACHE_HOME/retinopathy`, or `~/.cache/retinopathy`; a relative XDG_CACHE_HOME counts for nothing, as its specification says. */
export function cacheFolder(env: NodeJS.ProcessEnv): string {
  const base = env.XDG_CACHE_HOME;
  return join(base && isAbsolute(base) ? base : join(env.HOME || homedir(), '.cache'), 'retinopathy');
}

export interface Build {
  /** The folder of the cache. */
  cache: string;
  /** Of the folder in it that is made. */
  name: string;
  /** Why what is there cannot be used, or null when it can. What cannot is made anew. */
  fault: (folder: string) => Promise<string | null>;
  /** Fills the folder given to it, which is renamed when all is written: paths inside must not be stored. */
  make: (folder: string) => Promise<void>;
  report: (line: string) => void;
}

/**
 * Makes `<cache>/<name>`, unless it is there and works. Of several processes that ask at once one makes it, the others wait.
 * One that dies leaves a `<name>.part-…` folder, which the next one removes.
 * @returns the folder's path
 * @throws what `make` throws, or the fault of what it made
 */
export async function buildOnce({ cache, name, fault, make, report }: Build): Promise<string> {
  const target = join(cache, name);
  await mkdir(cache, { recursive: true });
  const lock = await lockFile(join(cache, `${name}.lock`), {
    onWait: (pid, seconds) => report(`waiting for process ${pid}, which is making ${name} (${seconds} s)`),
  });
  try {
    if (await exists(target)) {
      const found = await fault(target);
      if (found === null) return target;
      report(`${target} is made anew: ${found}`);
      await rm(target, { recursive: true, force: true });
    }
    for (const left of await readdir(cache)) {
      if (left.startsWith(`${name}.part-`)) await rm(join(cache, left), { recursive: true, force: true });
    }
    const part = join(cache, `${name}.part-${randomBytes(4).toString('hex')}`);
    await mkdir(part);
    try {
      await make(part);
      const found = await fault(part);
      if (found !== null) throw new Error(found);
      await rename(part, target);
    } catch (error) {
      await rm(part, { recursive: true, force: true });
      throw error;
    }
    return target;
  } finally {
    lock.release();
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
