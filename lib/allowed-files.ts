/**
 * Files that a workflow's input names. The user who starts a workflow does not have the rights of the worker that runs it. So a
 * worker reads only regular files, and only below the folders that its environment names.
 */
import { constants } from 'node:fs';
import { type FileHandle, lstat, open, realpath, stat } from 'node:fs/promises';
import { delimiter, isAbsolute, resolve, sep } from 'node:path';
import { quote } from './quote.ts';

/** A list of folders and files, separated by line breaks if it holds one, else by `:`. */
const SETTING = 'RETINOPATHY_FILES';
/** Folders of devices and of files that the system generates on read. */
const NO_FILES = ['/proc', '/sys', '/dev'];

/** The worker may not read the file, or it is no regular file. The message says what to do. */
export class FileRefusal extends Error {
  override readonly name = 'FileRefusal';
}

export interface FileLimits {
  /** The setting that names the file, for errors: `training.network`. */
  setting: string;
  /** Bytes. */
  max: number;
}

/** Returns the environment with further folders or files in RETINOPATHY_FILES. */
export function allowFiles(env: NodeJS.ProcessEnv, paths: readonly string[]): NodeJS.ProcessEnv {
  return { ...env, [SETTING]: [...rootsOf(env), ...paths.map(path => resolve(path))].join('\n') };
}

/**
 * Resolves a path through all symbolic links, and checks that it is allowed.
 * @returns the real path
 * @throws FileRefusal; the system's error when nothing exists at the path
 */
export async function allowedPath(path: string, env: NodeJS.ProcessEnv, setting: string): Promise<string> {
  const roots = rootsOf(env);
  if (roots.length === 0) {
    throw new FileRefusal(
      `Expected ${SETTING} of the worker's environment to name the folders whose files an input may read, got none: name one that holds \`${setting}\``,
    );
  }
  const real = await Promise.all(roots.map(root => realpath(root).catch(() => root)));
  // A path elsewhere is not even looked up: a different error would reveal that it exists.
  if (!isBelow(resolve(path), [...roots, ...real])) throw outside(path, setting);
  const target = await realpath(path);
  if (!isBelow(target, real) || isBelow(target, NO_FILES)) throw outside(path, setting);
  return target;
}

/**
 * Opens a regular file for reading.
 * @throws FileRefusal; the system's error when nothing exists at the path or it cannot be read
 */
export async function openAllowed(
  path: string,
  env: NodeJS.ProcessEnv,
  { setting, max }: FileLimits,
): Promise<{ handle: FileHandle; size: number }> {
  const target = await allowedPath(path, env, setting);
  // Checked before the open, which may already affect a device or block on a pipe.
  if (!(await lstat(target)).isFile()) throw noFile(path, setting);
  const handle = await open(target, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const opened = await handle.stat();
    if (!opened.isFile()) throw noFile(path, setting);
    // A link may have been inserted into the path meanwhile.
    const there = await stat(await allowedPath(path, env, setting));
    if (there.dev !== opened.dev || there.ino !== opened.ino) throw outside(path, setting);
    if (opened.size > max) {
      throw new FileRefusal(
        `Expected \`${setting}\` to be a file of at most ${max} bytes, got ${opened.size}: ${quote(path, 200)}`,
      );
    }
    return { handle, size: opened.size };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Reads a file whole. @throws as `openAllowed` */
export async function readAllowed(path: string, env: NodeJS.ProcessEnv, limits: FileLimits): Promise<Buffer> {
  const { handle, size } = await openAllowed(path, env, limits);
  try {
    const bytes = Buffer.alloc(size);
    const { bytesRead } = await handle.read(bytes, 0, size, 0);
    return bytes.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

function rootsOf({ [SETTING]: setting = '' }: NodeJS.ProcessEnv): string[] {
  return setting.split(setting.includes('\n') ? '\n' : delimiter).filter(isAbsolute);
}

function isBelow(path: string, roots: readonly string[]): boolean {
  return roots.some(root => path === root || path.startsWith(root.endsWith(sep) ? root : root + sep));
}

function outside(path: string, setting: string): FileRefusal {
  return new FileRefusal(
    `Expected \`${setting}\` below a folder that ${SETTING} of the worker's environment names, got ${quote(path, 200)}: put it there, or name its folder`,
  );
}

function noFile(path: string, setting: string): FileRefusal {
  return new FileRefusal(`Expected \`${setting}\` to be a regular file, got something else: ${quote(path, 200)}`);
}
