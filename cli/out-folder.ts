/** The folder given by `--out`: who uses it, and which run it holds. */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type FileLock, lockFile } from '../system/file-lock.mjs';
import { UserError } from './user-error.ts';

/** What `<out>/state.json` remembers between two starts. */
export interface OutState {
  run: string;
  store: string;
}

export interface OutFolder {
  path: string;
  logs: string;
  database: string;
  report: string;
  /** Root of the workers' temporary files and copies. */
  scratch: string;
  readState(): Promise<OutState | undefined>;
  writeState(state: OutState): Promise<void>;
  release(): void;
}

/**
 * Makes the folder and takes its lock.
 * @throws UserError when another living process has it, or it cannot be written
 */
export async function openOutFolder(out: string): Promise<OutFolder> {
  const path = resolve(out);
  const logs = join(path, 'logs');
  try {
    await mkdir(logs, { recursive: true });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UserError(`Expected --out ${path} to be a folder that can be written, got ${code}`);
  }
  const lock = await lockOnce(join(path, 'lock'), path);
  const state = stateFile(path);
  return {
    path,
    logs,
    database: join(path, 'temporal.db'),
    report: join(path, 'report'),
    scratch: join(path, 'scratch'),
    readState: () => readOutState(path),
    async writeState(value) {
      await writeFile(`${state}.new`, `${JSON.stringify(value, null, 2)}\n`, { flush: true });
      await rename(`${state}.new`, state);
    },
    release: () => lock.release(),
  };
}

/** What the last start left there; undefined where none was. Reading takes no lock. */
export async function readOutState(out: string): Promise<OutState | undefined> {
  const state = stateFile(out);
  try {
    return JSON.parse(await readFile(state, 'utf8')) as OutState;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new UserError(`Expected ${state} to be JSON written by an earlier start, got: ${(error as Error).message}`);
  }
}

const stateFile = (out: string) => join(out, 'state.json');

async function lockOnce(file: string, out: string): Promise<FileLock> {
  return lockFile(file, {
    onWait: pid => {
      throw new UserError(
        `Expected ${out} to be free, got process ${pid} using it: wait for it, or take another --out`,
      );
    },
  });
}
