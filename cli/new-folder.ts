/** A folder that a command makes: it appears whole or not at all. */
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { errorCode } from '../storage/durable-files.ts';
import { isOwnerGone, ownerName } from '../storage/owner.ts';
import { UserError } from './user-error.ts';

/**
 * Lets `fill` write into a folder beside `folder`, which then takes its name.
 * @param folder absolute path; absent, or an empty folder
 * @throws UserError when the folder is in use, and what `fill` throws; nothing is left then
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
      if (['ENOTEMPTY', 'EEXIST', 'ENOTDIR'].includes(errorCode(error))) throw used(folder);
      throw error;
    });
    return result;
  } finally {
    await rm(making, { recursive: true, force: true });
  }
}

async function refuseUsed(folder: string): Promise<void> {
  const there = await readdir(folder).catch(error => {
    if (errorCode(error) === 'ENOENT') return [];
    throw errorCode(error) === 'ENOTDIR' ? used(folder) : error;
  });
  if (there.length > 0) throw used(folder);
}

function used(folder: string): UserError {
  return new UserError(`Expected ${folder} to be new or an empty folder, got one in use: remove it, or take another`);
}

/** What is being made stands beside the folder, under a name that tells its process. */
function prefixOf(folder: string): string {
  return `.${basename(folder)}.export~`;
}

/** Removes what a killed export has left. */
async function removeAbandoned(folder: string): Promise<void> {
  const prefix = prefixOf(folder);
  for (const name of await readdir(dirname(folder))) {
    if (!name.startsWith(prefix) || !isOwnerGone(name.slice(prefix.length))) continue;
    await rm(join(dirname(folder), name), { recursive: true, force: true });
  }
}
