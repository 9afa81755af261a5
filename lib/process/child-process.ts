/** Starts all child processes of the project, so that none outlives its parent. */
import { type ChildProcess, spawn } from 'node:child_process';
import { access, stat } from 'node:fs/promises';
import { getPriority, setPriority } from 'node:os';
import { resolve as resolvePath } from 'node:path';
import { createInterface } from 'node:readline';
import type { Writable } from 'node:stream';
import { withLoopbackExempt } from '../no-proxy.ts';
import { codeOf } from '../system-errors.ts';
import { guard, unguard } from './child-reaper.ts';
import { which } from './which.ts';

export interface ChildOptions {
  cwd?: string;
  /**
   * The whole environment of the child. Default: this process's. If it names a proxy, loopback is exempted. Preloaded libraries
   * (LD_PRELOAD, LD_AUDIT) reach only children that run this process's Node.
   */
  env?: NodeJS.ProcessEnv;
  /** Bytes for the child's standard input, which is then closed. Default: no input. */
  input?: string | Uint8Array;
  /** Stops the child with `stopSignal` and, `killAfter` later, with SIGKILL. */
  signal?: AbortSignal;
  /** Default SIGTERM. */
  stopSignal?: NodeJS.Signals;
  /** Milliseconds; default 10,000. */
  killAfter?: number;
  /** Added to the niceness of this process. Default 0. */
  niceness?: number;
  /** Called for each line as it arrives. An error that it throws kills the child. */
  onLine?: (line: string, from: 'stdout' | 'stderr') => void;
}

export interface ChildExit {
  code: number | null;
  signal: NodeJS.Signals | null;
  /** The last lines of both streams in order of arrival, at most 200, for error messages. */
  tail: string[];
}

export interface Child {
  pid: number;
  /**
   * Resolves when the process has been reaped, the rest of its group is killed and its streams are closed.
   * Rejects only with the error that `onLine` threw.
   */
  exited: Promise<ChildExit>;
  /** Signals the child's whole process group. Succeeds when the group has already ended. */
  kill(signal: NodeJS.Signals): void;
}

const TAIL_LINES = 200;
/** On Linux, each increase by five cuts a process's share of the CPU to a third. */
const TOOL_NICENESS = 5;
/** A process that left the group may hold the streams open forever. The child's own output is read long before this time. */
const STREAMS_CLOSE_MS = 2_000;
/**
 * Variables that name libraries for the loader to put into every program. A library for Node, such as jemalloc, breaks programs
 * that bring their own C library. Debian 11's Caffe is one.
 */
const PRELOADS = new Set(['LD_PRELOAD', 'LD_AUDIT']);
/** File descriptor of the start pipe in the child. */
const GO = 3;
/** Waits for the start signal, so that no command runs before the reaper knows its group. A dead parent cannot send it. */
const WAIT_FOR_GO = `read -r go <&${GO} && exec "$@" ${GO}<&-`;

/**
 * Starts a child in a process group of its own. The whole group is killed when the child ends, and when this process ends for any
 * reason.
 * @throws Error when the command cannot be started: `Expected <command> to start, got ENOENT`
 */
export async function startChild(command: readonly string[], options: ChildOptions = {}): Promise<Child> {
  const inherited = withLoopbackExempt(options.env ?? process.env);
  const program = await findProgram(command, inherited, options.cwd);
  const env = program === process.execPath ? inherited : withoutPreloads(inherited);
  const setpriv = await parentDeathSignal();
  const [file, ...args] = [...setpriv, '/bin/sh', '-c', WAIT_FOR_GO, 'sh', program, ...command.slice(1)];
  const child = spawn(file as string, args, {
    cwd: options.cwd,
    env,
    detached: true,
    stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe', 'pipe'],
  });
  const started = new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', error => reject(notStarted(`${command[0]} to start`, (error as NodeJS.ErrnoException).code)));
  });
  const follow = followChild(child, options);
  await started;
  const pid = child.pid as number;
  await guard(pid);
  if (options.niceness) lowerPriority(pid, options.niceness);
  const go = child.stdio[GO] as Writable;
  // A child that was killed meanwhile reads neither this nor its input. Its exit reports that.
  for (const stream of [go, child.stdin]) stream?.on('error', () => {});
  go.end('go\n');
  if (options.input !== undefined) child.stdin?.end(options.input);
  return { pid, ...follow };
}

/**
 * Runs a child to its end. On a busy machine it gets a third of the CPU time of the servers and workers that watch it. They must
 * answer in time, while a tool only takes longer.
 */
export async function runChild(command: readonly string[], options: ChildOptions = {}): Promise<ChildExit> {
  return (await startChild(command, { niceness: TOOL_NICENESS, ...options })).exited;
}

function lowerPriority(pid: number, niceness: number): void {
  try {
    setPriority(pid, Math.min(19, getPriority() + niceness));
  } catch (error) {
    // The child was killed meanwhile, or the system forbids the change. The child keeps its priority.
    if (!['ESRCH', 'EACCES', 'EPERM'].includes(codeOf(error))) throw error;
  }
}

function followChild(child: ChildProcess, options: ChildOptions): Pick<Child, 'exited' | 'kill'> {
  let closed = false;
  const kill = (signal: NodeJS.Signals) => {
    if (closed || child.pid === undefined) return;
    try {
      process.kill(-child.pid, signal);
    } catch (error) {
      // macOS returns EPERM for a group whose remaining processes are all unreaped.
      if (!['ESRCH', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    }
  };

  const tail: string[] = [];
  let refused: { reason: unknown } | undefined;
  for (const from of ['stdout', 'stderr'] as const) {
    createInterface({ input: child[from]! }).on('line', line => {
      tail.push(line);
      if (tail.length > TAIL_LINES) tail.shift();
      if (refused !== undefined) return;
      try {
        options.onLine?.(line, from);
      } catch (reason) {
        refused = { reason };
        kill('SIGKILL');
      }
    });
  }

  const timers: NodeJS.Timeout[] = [];
  const stop = () => {
    kill(options.stopSignal ?? 'SIGTERM');
    timers.push(setTimeout(() => kill('SIGKILL'), options.killAfter ?? 10_000));
  };
  if (options.signal?.aborted) child.once('spawn', stop);
  else options.signal?.addEventListener('abort', stop, { once: true });

  const exited = new Promise<ChildExit>((resolve, reject) => {
    child.once('exit', () => {
      kill('SIGKILL');
      timers.push(
        setTimeout(() => {
          child.stdout?.destroy();
          child.stderr?.destroy();
        }, STREAMS_CLOSE_MS),
      );
    });
    child.once('close', (code, signal) => {
      closed = true;
      for (const timer of timers) clearTimeout(timer);
      options.signal?.removeEventListener('abort', stop);
      if (child.pid !== undefined) unguard(child.pid);
      if (refused === undefined) resolve({ code, signal, tail });
      else reject(refused.reason);
    });
  });
  return { exited, kill };
}

function withoutPreloads(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !PRELOADS.has(name)));
}

/** Finds the command's program. The shell that starts it would report a missing program as its own failure. */
async function findProgram(command: readonly string[], env: NodeJS.ProcessEnv, cwd?: string): Promise<string> {
  const file = command[0];
  if (file === undefined) throw new TypeError('Expected a command, got an empty list');
  if (cwd !== undefined) {
    await access(cwd).catch(error => {
      throw notStarted(`the folder ${cwd} to run ${file} in`, error.code);
    });
  }
  const found = await which(file, env.PATH, cwd);
  if (found !== null) return found;
  if (!file.includes('/')) throw notStarted(`${file} to start`, 'ENOENT');
  const path = resolvePath(cwd ?? '.', file);
  const there = await stat(path).catch(error => {
    throw notStarted(`${file} to start`, error.code);
  });
  const forAll = there.isFile() && (there.mode & 0o111) === 0o111;
  throw notStarted(`${file} to start`, 'EACCES', forAll ? ': its file system is mounted noexec' : '');
}

/** Creates the error. It keeps the code, because some are transient, such as EAGAIN when too many processes run. */
function notStarted(expected: string, code: string | undefined, why = ''): Error {
  return Object.assign(new Error(`Expected ${expected}, got ${code}${why}`), { code });
}

let setpriv: Promise<string[]> | undefined;

/**
 * Returns the `setpriv` command that sets the parent-death signal; empty where there is none. Linux then kills a child when the
 * thread that started it ends. Elsewhere only the reaper does so.
 */
function parentDeathSignal(): Promise<string[]> {
  setpriv ??= (async () => {
    const path = process.platform === 'linux' ? await which('setpriv') : null;
    if (path === null) return [];
    const command = [path, '--pdeathsig', 'KILL', '--'];
    // Old and minimal versions of setpriv lack the option.
    return new Promise<string[]>(resolve => {
      const trial = spawn(path, [...command.slice(1), '/bin/true'], { stdio: 'ignore' });
      trial.once('error', () => resolve([]));
      trial.once('exit', code => resolve(code === 0 ? command : []));
    });
  })();
  return setpriv;
}
