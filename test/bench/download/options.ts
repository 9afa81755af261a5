/** The options of `npm run bench download`, and the folder that is written to when none is named. */
import { access, constants, statfs } from 'node:fs/promises';
import { freemem, tmpdir } from 'node:os';
import { Command } from 'commander';
import { bytes } from '../../../lib/format.ts';
import { UserError } from '../../../lib/user-error.ts';
import { count, positive } from '../support/numbers.ts';

export interface Options {
  gib: number;
  rounds: number;
  folder?: string;
  disk?: string;
}

const SHARED_MEMORY = '/dev/shm';

/** @throws CommanderError when the options cannot be read, or help was asked for: it has been printed then */
export function readOptions(args: readonly string[]): Options {
  return new Command('npm run bench download --')
    .description('the download beside aria2c and curl, on loopback')
    .option('--gib <n>', 'size of the five files together', positive, 2)
    .option('--rounds <n>', 'measurements of each client', count, 3)
    .option('--folder <dir>', `where the clients write (default: ${SHARED_MEMORY} when it has room, else ${tmpdir()})`)
    .option('--disk <dir>', 'a folder on a disk, for further rows')
    .allowExcessArguments(false)
    .exitOverride()
    .parse(args, { from: 'user' })
    .opts<Options>();
}

/**
 * A folder in memory where there is one with room, for it is the transfers that are compared; else the system's temporary folder.
 * @param needed bytes
 * @throws UserError when neither has room
 */
export async function folderWithRoom(needed: number): Promise<string> {
  // Shared memory may be as large as it says only where the machine has as much to spare.
  if (Math.min(await roomIn(SHARED_MEMORY), freemem()) >= needed) return SHARED_MEMORY;
  const room = await roomIn(tmpdir());
  if (room >= needed) return tmpdir();
  throw new UserError(
    `Expected ${bytes(needed)} of room in ${tmpdir()}, got ${bytes(room)}: name another folder with --folder, or fewer bytes with --gib`,
  );
}

/** Bytes that may be written to a folder; 0 where there is none to write to. */
async function roomIn(folder: string): Promise<number> {
  try {
    await access(folder, constants.W_OK);
    const { bavail, bsize } = await statfs(folder);
    return bavail * bsize;
  } catch {
    return 0;
  }
}
