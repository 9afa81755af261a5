/**
 * Folders of a worker process: one for temporary files, and a cache of stored objects that this user's workers share. Other users
 * may be able to write to their parent folder.
 * Each process leaves a mark in its folder. Only a marked folder whose process has ended is ever removed.
 */
import { chmod, lstat, mkdir, mkdtemp, readdir, readFile, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { ownerName, stateOfOwner } from '../lib/process/process-id.mjs';
import { codeOf } from '../lib/system-errors.ts';
import { cacheFolder } from '../lib/tools/cache.ts';

/** File in a worker's folder that names its process. */
const MARK = '.worker';
const TEMPORARY = 'retinopathy-';
const TOUCH_MS = 60_000;
/** Age after which a folder of another machine or container is removed, as its process cannot be checked. */
const UNTOUCHED_MS = 24 * 60 * 60_000;
/** Errors of a default place that this user cannot use, for instance below a home folder that does not exist. */
const UNUSABLE = ['EACCES', 'EPERM', 'EROFS', 'ENOENT', 'ENOTDIR', 'ELOOP'];

export interface Scratch {
  scratch: string;
  cache: string;
  /** Returns whether a path is the folder of a worker with the same root that has ended. */
  isLeft(folder: string): boolean;
  close(): Promise<void>;
}

/**
 * Creates `<root>/<role>-<process>` and `<root>/cache`, and removes the folders of this user's killed workers.
 * The root is `retinopathy-<uid>` in `RETINOPATHY_SCRATCH`, else `workers-<uid>` in the cache folder of this user. Where that folder
 * cannot be used, it is a new folder in the system's temporary one.
 * @throws Error with a one-line message when there is no such place, or something else is in its place
 */
export async function openScratch(role: string, env: NodeJS.ProcessEnv): Promise<Scratch> {
  const { root, passing } = await openRoot(env);
  const cache = await openInside(root, 'cache');
  const owner = ownerName();
  const scratch = join(root, `${role}-${owner}`);
  await mkdir(scratch);
  const marks = [await mark(scratch, owner)];
  if (passing) marks.push(await mark(root, owner));
  await removeLeft(root, '', (await lstat(root)).uid);
  const touch = setInterval(() => {
    for (const file of marks) utimes(file, new Date(), new Date()).catch(() => {});
  }, TOUCH_MS);
  touch.unref();
  return {
    scratch,
    cache,
    isLeft: folder => dirname(folder) === root && stateOfOwner(basename(folder).replace(/^[a-z]+-/, '')) === 'gone',
    close() {
      clearInterval(touch);
      return rm(passing ? root : scratch, { recursive: true, force: true });
    },
  };
}

/** @returns `passing`: this process alone uses the root and removes it at its end */
async function openRoot(env: NodeJS.ProcessEnv): Promise<{ root: string; passing: boolean }> {
  const user = process.getuid?.() ?? 0;
  if (env.RETINOPATHY_SCRATCH) {
    const root = join(resolve(env.RETINOPATHY_SCRATCH), `retinopathy-${user}`);
    await openOwnFolder(root).catch(error => {
      throw error.syscall === undefined ? error : unwritable(`RETINOPATHY_SCRATCH ${env.RETINOPATHY_SCRATCH}`, error);
    });
    return { root, passing: false };
  }
  const root = join(cacheFolder(env), `workers-${user}`);
  try {
    await openOwnFolder(root);
    return { root, passing: false };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).syscall === undefined) throw error;
    if (!UNUSABLE.includes(codeOf(error))) throw unwritable(root, error);
  }
  const folder = tmpdir();
  await removeLeft(folder, TEMPORARY, process.getuid?.());
  const made = await mkdtemp(join(folder, TEMPORARY)).catch(error => {
    throw unwritable(`${folder} or ${root}`, error);
  });
  return { root: made, passing: true };
}

function unwritable(what: string, error: unknown): Error {
  return new Error(
    `Expected ${what} to be a folder that can be written, got ${codeOf(error)}: set RETINOPATHY_SCRATCH to one that can`,
  );
}

async function mark(folder: string, owner: string): Promise<string> {
  const file = join(folder, MARK);
  await writeFile(file, `${owner}\n`, { flag: 'wx' });
  return file;
}

/** Removes the folders with this prefix whose mark names a process that has ended. */
async function removeLeft(place: string, beginning: string, user: number | undefined): Promise<void> {
  for (const name of await readdir(place)) {
    const folder = join(place, name);
    if (!name.startsWith(beginning) || !(await isAbandoned(folder, user))) continue;
    // A folder that cannot be removed only wastes space, so the worker continues: a container may have left root's files.
    await rm(folder, { recursive: true, force: true }).catch(() => {});
  }
}

async function isAbandoned(folder: string, user: number | undefined): Promise<boolean> {
  const file = join(folder, MARK);
  try {
    const [found, marked] = [await lstat(folder), await lstat(file)];
    if (!found.isDirectory() || !marked.isFile()) return false;
    if (user !== undefined && (found.uid !== user || marked.uid !== user)) return false;
    const owner = (await readFile(file, 'utf8')).trimEnd();
    const state = stateOfOwner(owner);
    return state === 'gone' || (state === 'elsewhere' && Date.now() - marked.mtimeMs > UNTOUCHED_MS);
  } catch {
    // It is no such folder, cannot be read, or another worker has just removed it.
    return false;
  }
}

/** Backup tools skip a folder that holds this file: https://bford.info/cachedir/ */
const TAG = 'CACHEDIR.TAG';
const TAG_TEXT = 'Signature: 8a477f597d28d172789f06886806bc55\n# Temporary files and copies of retinopathy workers.\n';
const PRIVATE = 0o700;

/**
 * Creates the folder and its parents, with the tag inside from the start, unless it exists.
 * @param path absolute
 * @throws Error with a one-line message when something else is there: a link, another user's folder, or one without the tag.
 *   System errors are thrown unchanged.
 */
export async function openOwnFolder(path: string): Promise<void> {
  if (await isOwn(path, process.getuid?.())) return;
  // Some file systems give every file the same owner. A new folder shows which owner ours would get.
  const owner = await makeTagged(path);
  if (await isOwn(path, owner)) return;
  throw new Error(
    `Expected ${path} to be a folder that a worker of this user has made, got something else: remove it, or set RETINOPATHY_SCRATCH to another place`,
  );
}

/** Creates a folder inside one of ours, or checks that it is a folder and not a link. */
export async function openInside(folder: string, name: string): Promise<string> {
  const path = join(folder, name);
  await mkdir(path, { mode: PRIVATE }).catch(error => {
    if (codeOf(error) !== 'EEXIST') throw error;
  });
  const [inner, outer] = [await lstat(path), await lstat(folder)];
  if (inner.isDirectory() && inner.uid === outer.uid) return path;
  throw new Error(`Expected ${path} to be a folder that a worker of this user has made, got something else: remove it`);
}

async function isOwn(path: string, owner: number | undefined): Promise<boolean> {
  const found = await lstat(path).catch(error => {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  });
  if (!found?.isDirectory() || (owner !== undefined && found.uid !== owner)) return false;
  const tag = await readFile(join(path, TAG), 'utf8').catch(() => '');
  if (tag !== TAG_TEXT) return false;
  // A file system without modes refuses this or ignores it.
  if ((found.mode & 0o077) !== 0) await chmod(path, PRIVATE).catch(() => {});
  return true;
}

/** Creates the tagged folder unless something is there. @returns the owner that a new folder gets there */
async function makeTagged(path: string): Promise<number> {
  await mkdir(dirname(path), { recursive: true });
  const making = await mkdtemp(`${path}.`);
  try {
    await writeFile(join(making, TAG), TAG_TEXT);
    const { uid } = await lstat(making);
    await rename(making, path).catch(error => {
      // Another worker has created it, or it is not ours, which the caller reports.
      if (!['EEXIST', 'ENOTEMPTY', 'ENOTDIR', 'EPERM', 'EACCES'].includes(codeOf(error))) throw error;
    });
    return uid;
  } finally {
    await rm(making, { recursive: true, force: true });
  }
}
