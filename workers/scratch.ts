/** Folders of a worker process for temporary files; those of dead processes are removed. */
import { mkdir, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/**
 * Makes `<root>/scratch/<role>-<pid>` and `<root>/cache`, with root = `RETINOPATHY_SCRATCH` or a folder in the system's
 * temporary one, and clears what killed workers left.
 * @returns `isLeft`: whether a folder is that of a worker on this machine which is gone, or was before this one got its number
 */
export async function openScratch(
  role: string,
  env: NodeJS.ProcessEnv,
): Promise<{ scratch: string; cache: string; isLeft(folder: string): boolean; close(): Promise<void> }> {
  const root = env.RETINOPATHY_SCRATCH ?? join(tmpdir(), 'retinopathy');
  const cache = join(root, 'cache');
  const all = join(root, 'scratch');
  const scratch = join(all, `${role}-${process.pid}`);
  await mkdir(cache, { recursive: true });
  await rm(scratch, { recursive: true, force: true });
  await mkdir(scratch, { recursive: true });
  for (const name of await readdir(all)) {
    if (!alive(pidOf(name))) await rm(join(all, name), { recursive: true, force: true });
  }
  const isLeft = (folder: string) => folder === scratch || (dirname(folder) === all && !alive(pidOf(folder)));
  return { scratch, cache, isLeft, close: () => rm(scratch, { recursive: true, force: true }) };
}

function pidOf(folder: string): number {
  return Number(folder.split('-').at(-1));
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
