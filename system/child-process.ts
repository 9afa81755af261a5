/** Starts every child process of the project, so that none outlives its parent. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

export interface ChildOptions {
  cwd?: string;
  /** The whole environment of the child. Default: this process's. */
  env?: NodeJS.ProcessEnv;
  /** Written to the child's standard input, which is then closed. Default: nothing. */
  input?: string | Uint8Array;
  /** Stops the child with `stopSignal` and, `killAfter` later, with SIGKILL. */
  signal?: AbortSignal;
  /** Default SIGTERM. */
  stopSignal?: NodeJS.Signals;
  /** Milliseconds; default 10,000. */
  killAfter?: number;
  /** Called for each line as it comes. */
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
  /** Resolves when the process has been reaped and its streams are closed; never rejects once the child runs. */
  exited: Promise<ChildExit>;
  /** Signals the child's whole process group; a group that is gone already is success. */
  kill(signal: NodeJS.Signals): void;
}

const TAIL_LINES = 200;

/**
 * Starts a child in a process group of its own.
 * @throws when the command cannot be started: `Expected <command> to start, got ENOENT`
 */
export async function startChild(command: readonly string[], options: ChildOptions = {}): Promise<Child> {
  const [file, ...args] = command;
  if (file === undefined) throw new TypeError('Expected a command, got an empty list');
  const child = spawn(file, args, {
    cwd: options.cwd,
    env: options.env ?? process.env,
    detached: true,
    stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  });
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', error =>
      reject(new Error(`Expected ${file} to start, got ${(error as NodeJS.ErrnoException).code}`)),
    );
  });
  const pid = child.pid as number;
  const tail: string[] = [];
  for (const from of ['stdout', 'stderr'] as const) {
    createInterface({ input: child[from]! }).on('line', line => {
      tail.push(line);
      if (tail.length > TAIL_LINES) tail.shift();
      options.onLine?.(line, from);
    });
  }
  if (options.input !== undefined) child.stdin?.end(options.input);
  const kill = (signal: NodeJS.Signals) => {
    try {
      process.kill(-pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  };
  let force: NodeJS.Timeout | undefined;
  const stop = () => {
    kill(options.stopSignal ?? 'SIGTERM');
    force = setTimeout(() => kill('SIGKILL'), options.killAfter ?? 10_000);
  };
  if (options.signal?.aborted) stop();
  else options.signal?.addEventListener('abort', stop, { once: true });
  const exited = new Promise<ChildExit>(resolve => {
    child.once('close', (code, signal) => {
      clearTimeout(force);
      options.signal?.removeEventListener('abort', stop);
      resolve({ code, signal, tail });
    });
  });
  return { pid, exited, kill };
}

/** Runs a child to its end. */
export async function runChild(command: readonly string[], options: ChildOptions = {}): Promise<ChildExit> {
  return (await startChild(command, options)).exited;
}
