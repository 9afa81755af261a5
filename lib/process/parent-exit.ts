/** Detects that npm has ended and left this process behind. npm forwards no signal, and may be killed. */

import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';

interface Ancestor {
  pid: number;
  ppid: number;
  /** Start time, which differs for a later process with the same pid. */
  started: string;
  command: string;
}

export interface ParentWatch {
  stop(): void;
}

export interface ParentWatchOptions {
  env?: NodeJS.ProcessEnv;
  /** Milliseconds between two checks; default 500. */
  everyMs?: number;
  /** Source of the process table; default: /proc on Linux, else `ps`. */
  table?: 'proc' | 'ps';
}

/**
 * Watches the processes from this one's parent up to the npm that runs it (`npm start` → sh → node). Calls `onOrphaned` once when
 * one of them has ended. Does nothing without an npm above: a process started by hand may outlive its shell.
 * @param onOrphaned gets a sentence for the log: `npm (process 123) has ended`
 */
export async function watchParents(
  onOrphaned: (reason: string) => void,
  { env = process.env, everyMs = 500, table = process.platform === 'linux' ? 'proc' : 'ps' }: ParentWatchOptions = {},
): Promise<ParentWatch> {
  // npm sets the variable for every process that it runs.
  if (env.npm_lifecycle_event === undefined) return { stop() {} };
  const look = table === 'proc' ? lookInProc : lookWithPs;
  const chain = await chainToNpm(look);
  if (chain.length === 0) return { stop() {} };
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  const check = async () => {
    const gone = await firstGone(chain, look);
    if (stopped) return;
    if (gone === undefined) {
      timer = setTimeout(check, everyMs);
      timer.unref();
      return;
    }
    stopped = true;
    onOrphaned(`${isNpm(gone) ? 'npm' : gone.command} (process ${gone.pid}) has ended`);
  };
  await check();
  return {
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}

type Look = (pid: number) => Promise<Ancestor | undefined>;

/**
 * Returns the processes from the parent up to npm itself; empty without an npm above. That npm ended long ago, and this process
 * was meant to stay.
 */
async function chainToNpm(look: Look): Promise<Ancestor[]> {
  const chain: Ancestor[] = [];
  // In a container npm may be process 1.
  for (let pid = process.ppid; pid >= 1; pid = chain.at(-1)!.ppid) {
    const ancestor = await look(pid);
    if (ancestor === undefined) break;
    chain.push(ancestor);
    if (isNpm(ancestor)) return chain;
  }
  return [];
}

async function firstGone(chain: readonly Ancestor[], look: Look): Promise<Ancestor | undefined> {
  // An orphan gets another parent at once, even while the dead one is not yet reaped.
  if (process.ppid !== chain[0]?.pid) return chain[0];
  for (const [i, known] of chain.entries()) {
    const now = await look(known.pid);
    if (now?.started !== known.started) return known;
    // The parent of npm may change, because a closed shell leaves npm to another process.
    if (i < chain.length - 1 && now.ppid !== known.ppid) return chain[i + 1];
  }
  return undefined;
}

/**
 * Returns whether the process is npm, pnpm or yarn. npm gives itself the title `npm start`. Before that, and under other names, it
 * is Node with the script `npm-cli.js`. Only the first two words count, because a later argument may be a path that ends in `/npm`.
 */
function isNpm({ command }: Ancestor): boolean {
  const [program = '', script = ''] = command.split(/\s+/).map(word => word.slice(word.lastIndexOf('/') + 1));
  const name = /^node(js)?$/.test(program) ? script : program;
  return /^(npm|pnpm|yarn)(-cli)?(\.c?js)?$/.test(name);
}

async function lookInProc(pid: number): Promise<Ancestor | undefined> {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name, in parentheses, may hold any character. The numbers begin after the last parenthesis.
    const [state, ppid, ...rest] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (state === 'Z' || state === 'X') return undefined;
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
    return { pid, ppid: Number(ppid), started: rest[17] ?? '', command };
  } catch {
    return undefined;
  }
}

/** Looks a process up with `ps`, which takes twenty times as long as /proc but works on every system. */
async function lookWithPs(pid: number): Promise<Ancestor | undefined> {
  const columns = ['ppid=', 'stat=', 'lstart=', 'args='].flatMap(column => ['-o', column]);
  const output = await promisify(execFile)('ps', [...columns, '-p', String(pid)], {
    env: { ...process.env, LC_ALL: 'C' },
  }).catch(() => undefined);
  const fields = /^\s*(\d+)\s+(\S+)\s+(\S+ +\S+ +\d+ \S+ \d+)\s+(.*)$/m.exec(output?.stdout ?? '');
  if (fields === null || fields[2]?.startsWith('Z')) return undefined;
  return { pid, ppid: Number(fields[1]), started: fields[3] ?? '', command: fields[4] ?? '' };
}
