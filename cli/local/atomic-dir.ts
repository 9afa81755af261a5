/** Folders and files that a command writes atomically: they appear whole or not at all. */
import { lstat, mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { ownerName, stateOfOwner } from '../../lib/process/process-id.mjs';
import { codeOf } from '../../lib/system-errors.ts';
import { UserError } from '../../lib/user-error.ts';

/**
 * Lets `fill` write into a temporary folder beside `folder`, then renames it to `folder`.
 * @param folder absolute path; absent, or an empty folder
 * @throws UserError when the folder is in use, and errors of `fill`. Nothing is left then.
 */
export async function makeFolder<Result>(
  folder: string,
  signal: AbortSignal,
  fill: (making: string) => Promise<Result>,
): Promise<Result> {
  await refuseUsed(folder);
  const parent = dirname(folder);
  await mkdir(parent, { recursive: true });
  await removeAbandoned(folder);
  const making = join(parent, `${prefixOf(folder)}${ownerName()}`);
  try {
    await mkdir(making);
    const result = await fill(making);
    signal.throwIfAborted();
    await rename(making, folder).catch(error => {
      if (['ENOTEMPTY', 'EEXIST', 'ENOTDIR'].includes(codeOf(error))) throw used(folder);
      throw error;
    });
    return result;
  } finally {
    await rm(making, { recursive: true, force: true });
  }
}

async function refuseUsed(folder: string): Promise<void> {
  const there = await readdir(folder).catch(error => {
    if (codeOf(error) === 'ENOENT') return [];
    throw codeOf(error) === 'ENOTDIR' ? used(folder) : error;
  });
  if (there.length > 0) throw used(folder);
}

function used(folder: string): UserError {
  return new UserError(`Expected ${folder} to be new or an empty folder, got one in use: remove it, or take another`);
}

/** Returns the prefix of the temporary folder, whose name ends with the id of its process. */
function prefixOf(folder: string): string {
  return `.${basename(folder)}.export~`;
}

/** Removes the temporary folders of this user's killed exports. Other users may also write into the parent folder. */
async function removeAbandoned(folder: string): Promise<void> {
  const prefix = prefixOf(folder);
  for (const name of await readdir(dirname(folder))) {
    if (!name.startsWith(prefix) || stateOfOwner(name.slice(prefix.length)) !== 'gone') continue;
    const path = join(dirname(folder), name);
    const found = await lstat(path).catch(() => undefined);
    if (!found?.isDirectory() || (process.getuid && found.uid !== process.getuid())) continue;
    await rm(path, { recursive: true, force: true });
  }
}

/**
 * Writes a temporary file beside `path` and renames it, so that a reader never finds half of it.
 * @param part the temporary file. Where only one process writes at a time, a fixed name leaves at most one file behind.
 */
export async function writeWhole(
  path: string,
  content: string | Uint8Array,
  part = `${path}.${ownerName()}.part`,
): Promise<void> {
  try {
    await writeFile(part, content, { flush: true });
    await rename(part, path);
  } catch (error) {
    await rm(part, { force: true }).catch(() => {});
    throw error;
  }
}
