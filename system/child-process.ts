/** Starts every child process of the project, so that none outlives its parent. */
import { type ChildProcess, spawn } from 'node:child_process';
import { access } from 'node:fs/promises';
import { resolve as resolvePath } from 'node:path';
import { createInterface } from 'node:readline';
import type { Writable } from 'node:stream';
import { guard, unguard } from './guardian.ts';
import { withLoopbackExempt } from './no-proxy.ts';
import { which } from './which.ts';

export interface ChildOptions {
  cwd?: string;
  /** The whole environment of the child. Default: this process's. Where it names a proxy, loopback is exempted. */
  env?: NodeJS.ProcessEnv;
  /** Written to the child's standard input, which is then closed. Default: nothing. */
  input?: string | Uint8Array;
  /** Stops the child with `stopSignal` and, `killAfter` later, with SIGKILL. */
  signal?: AbortSignal;
  /** Default SIGTERM. */
  stopSignal?: NodeJS.Signals;
  /** Milliseconds; default 10,000. */
  killAfter?: number;
  /** Called for each line as it comes. What it throws kills the child. */
  onLine?: (line: string, from: 'stdout' | 'stderr') => void;
}

export interface ChildExit {
  code: number | null;
  signal: NodeJS.Signals | null;
  /** The last lines of both streams in the order they came, at most 200, for error messages. */
  tail: string[];
}

export interface Child {
  pid: number;
  /**
   * Resolves when the process has been reaped, what it had started in its group is killed and its streams are closed.
   * Rejects only with what `onLine` threw.
   */
  exited: Promise<ChildExit>;
  /** Signals the child's whole process group; a group that is gone already is success. */
  kill(signal: NodeJS.Signals): void;
}

const TAIL_LINES = 200;
/** A process that left the group may hold the streams open for ever; what the child itself wrote is read long before. */
const STREAMS_CLOSE_MS = 2_000;
/** The child's end of the starting pipe. */
const GO = 3;
/** Waits for the word to go, so that no command runs which the guardian does not know. A parent that died cannot give it. */
const WAIT_FOR_GO = `read -r go <&${GO} && exec "$@" ${GO}<&-`;

/**
 * Starts a child in a process group of its own, which is killed as a whole when the child ends and when this process ends, however it ends.
 * @throws when the command cannot be started: `Expected <command> to start, got ENOENT`
 */
export async function startChild(command: readonly string[], options: ChildOptions = {}): Promise<Child> {
  const env = withLoopbackExempt(options.env ?? process.env);
  const program = await findProgram(command, env, options.cwd);
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
    child.once('error', error =>
      reject(new Error(`Expected ${command[0]} to start, got ${(error as NodeJS.ErrnoException).code}`)),
    );
  });
  const follow = followChild(child, options);
  await started;
  const pid = child.pid as number;
  await guard(pid);
  const go = child.stdio[GO] as Writable;
  // A child that was killed meanwhile reads neither this nor its input: its exit tells.
  for (const stream of [go, child.stdin]) stream?.on('error', () => {});
  go.end('go\n');
  if (options.input !== undefined) child.stdin?.end(options.input);
  return { pid, ...follow };
}

/** Runs a child to its end. */
export async function runChild(command: readonly string[], options: ChildOptions = {}): Promise<ChildExit> {
  return (await startChild(command, options)).exited;
}

function followChild(child: ChildProcess, options: ChildOptions): Pick<Child, 'exited' | 'kill'> {
  let closed = false;
  const kill = (signal: NodeJS.Signals) => {
    if (closed || child.pid === undefined) return;
    try {
      process.kill(-child.pid, signal);
    } catch (error) {
      // macOS answers EPERM for a group of which only the unreaped are left.
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

/** The command is searched for here, since the shell that starts it could only report a missing one as its own failure. */
async function findProgram(command: readonly string[], env: NodeJS.ProcessEnv, cwd?: string): Promise<string> {
  const file = command[0];
  if (file === undefined) throw new TypeError('Expected a command, got an empty list');
  if (cwd !== undefined) {
    await access(cwd).catch(error => {
      throw new Error(`Expected the folder ${cwd} to run ${file} in, got ${error.code}`);
    });
  }
  const found = await which(file, env.PATH, cwd);
  if (found !== null) return found;
  const reason = file.includes('/')
    ? await access(resolvePath(cwd ?? '.', file)).then(
        () => 'EACCES',
        error => error.code,
      )
    : 'ENOENT';
  throw new Error(`Expected ${file} to start, got ${reason}`);
}

let setpriv: Promise<string[]> | undefined;

/** Linux kills a child when the thread that started it ends, if asked to by the child; elsewhere the guardian does it alone. */
function parentDeathSignal(): Promise<string[]> {
  setpriv ??= (async () => {
    const path = process.platform === 'linux' ? await which('setpriv') : null;
    if (path === null) return [];
    const command = [path, '--pdeathsig', 'KILL', '--'];
    // Old and small versions of setpriv have no such option.
    return new Promise<string[]>(resolve => {
      const trial = spawn(path, [...command.slice(1), '/bin/true'], { stdio: 'ignore' });
      trial.once('error', () => resolve([]));
      trial.once('exit', code => resolve(code === 0 ? command : []));
    });
  })();
  return setpriv;
}
