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

/**
 * Makes `<cache>/<name>` by `build`, unless it is there. Of several processes that ask at once one builds, the others wait.
 * A build that dies leaves a `<name>.part-…` folder, which the next one removes.
 * @param build fills the folder given to it, which is renamed when all is written: paths inside must not be stored
 * @returns the folder's path
 */
export async function buildOnce(
  cache: string,
  name: string,
  build: (folder: string) => Promise<void>,
  report: (line: string) => void,
): Promise<string> {
  const target = join(cache, name);
  if (await exists(target)) return target;
  await mkdir(cache, { recursive: true });
  const lock = await lockFile(join(cache, `${name}.lock`), {
    onWait: (pid, seconds) => report(`waiting for process ${pid}, which is making ${name} (${seconds} s)`),
  });
  try {
    if (await exists(target)) return target;
    for (const left of await readdir(cache)) {
      if (left.startsWith(`${name}.part-`)) await rm(join(cache, left), { recursive: true, force: true });
    }
    const part = join(cache, `${name}.part-${randomBytes(4).toString('hex')}`);
    await mkdir(part);
    try {
      await build(part);
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
