/** The folder of `--out`: its lock, its state and its files. */

import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { isAbsolute, join, relative, resolve } from 'node:path';
import { z } from 'zod';
import { parseJson } from '../../lib/json.ts';
import { lockFile } from '../../lib/process/file-lock.mjs';
import { codeOf } from '../../lib/system-errors.ts';
import { UserError } from '../../lib/user-error.ts';
import { writeWhole } from './atomic-dir.ts';

/** Content of `<out>/state.json`, kept between two commands. */
export interface OutState {
  run: string;
  /** URL with an absolute path. The file holds a relative path for a store inside the out folder, which may be moved. */
  store: string;
  /** Id that distinguishes the store from another one at the same place. */
  storeId?: string | undefined;
}

/** Names that a run writes in its out folder. */
const WRITTEN = [
  ...['logs', 'report', 'scratch', 'store', 'state.json', 'workflows.js'],
  ...['', '-shm', '-wal', '-journal'].map(side => `temporal.db${side}`),
];

const stateInFile = z.object({
  run: z.string().min(1),
  store: z.string().regex(/^(file:|s3:\/\/)./),
  storeId: z.uuid().optional(),
});

export interface OutFolder {
  path: string;
  logs: string;
  database: string;
  report: string;
  /** Root of the workers' temporary files and copies. */
  scratch: string;
  readState(): Promise<OutState | undefined>;
  writeState(state: OutState): Promise<void>;
  /** Removes the files of a run. All other files stay. */
  clear(): Promise<void>;
  /** Returns instructions for removing the files of a run, and nothing else. */
  howToDiscard(): Promise<string>;
  release(): void;
}

/**
 * Creates the folder and takes its lock.
 * @throws UserError when another living process holds the lock, or the folder cannot be written
 */
export async function openOutFolder(out: string): Promise<OutFolder> {
  const path = resolve(out);
  const logs = join(path, 'logs');
  const onWait = (pid: number) => {
    throw new UserError(`Expected ${path} to be free, got process ${pid} using it: wait for it, or take another --out`);
  };
  const lock = await mkdir(logs, { recursive: true })
    .then(() => lockFile(join(path, 'lock'), { onWait }))
    .catch(error => {
      if (error instanceof UserError) throw error;
      throw new UserError(`Expected --out ${path} to be a folder that can be written, got ${codeOf(error)}`);
    });
  const state = stateFile(path);
  return {
    path,
    logs,
    database: join(path, 'temporal.db'),
    report: join(path, 'report'),
    scratch: join(path, 'scratch'),
    readState: () => readOutState(path),
    async writeState(value) {
      const content = { ...value, store: withinFolder(path, value.store) };
      await writeWhole(state, `${JSON.stringify(content, null, 2)}\n`, `${state}.new`);
    },
    async clear() {
      for (const name of WRITTEN) await rm(join(path, name), { recursive: true, force: true });
    },
    async howToDiscard() {
      const names = (await readdir(path)).filter(name => !name.startsWith('lock.'));
      if (names.every(name => WRITTEN.includes(name))) return `rm -r ${path}`;
      const written = names.filter(name => WRITTEN.includes(name));
      return `${path} holds other files as well; the run's are ${written.join(', ')}`;
    },
    release: () => lock.release(),
  };
}

/**
 * Reads the state that the last run left there; undefined where there is none. Takes no lock.
 * @throws UserError when the file is invalid or cannot be read
 */
export async function readOutState(out: string): Promise<OutState | undefined> {
  const state = stateFile(out);
  const refused = (what: string) =>
    new UserError(
      `Expected ${state} to be what an earlier start wrote, got ${what}: remove it; where the store is not in that folder, name it with --store`,
    );
  let text: string;
  try {
    text = await readFile(state, 'utf8');
  } catch (error) {
    // A path that is not a folder may be the id of a run.
    if (['ENOENT', 'ENOTDIR', 'ENAMETOOLONG'].includes(codeOf(error))) return undefined;
    throw refused(codeOf(error));
  }
  const content = parseJson(text);
  if (content === undefined) throw refused('no JSON');
  const parsed = stateInFile.safeParse(content);
  if (!parsed.success) throw refused('JSON of another kind');
  return { ...parsed.data, store: fromFolder(out, parsed.data.store) };
}

function withinFolder(out: string, store: string): string {
  if (!store.startsWith('file:')) return store;
  const inside = relative(out, store.slice('file:'.length));
  return /^\.\.(\/|$)/.test(inside) || isAbsolute(inside) ? store : `file:${inside || '.'}`;
}

function fromFolder(out: string, store: string): string {
  return store.startsWith('file:') ? `file:${resolve(out, store.slice('file:'.length))}` : store;
}

/** Creates the error for an out folder that was removed or moved while a command uses it. */
export function folderGone(path: string): UserError {
  return new UserError(
    `Expected --out ${path} to stay while a run uses it, got nothing there: the same command starts anew`,
  );
}

const stateFile = (out: string) => join(out, 'state.json');
