/** Runs `npm start` as a person does, in a process group of its own, and reads what it prints. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export interface Command {
  pid: number;
  /** Everything printed so far, both streams. */
  output(): string;
  /** Signals npm and all in its group. */
  killGroup(signal: NodeJS.Signals): void;
  exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
}

/** `npm start -- ARGS`. */
export function npmStart(args: readonly string[], env: NodeJS.ProcessEnv = {}): Command {
  return run('npm', ['start', '--silent', '--', ...args], env);
}

/** `node cli/start.mjs ARGS`: the same without npm. */
export function retinopathy(args: readonly string[], env: NodeJS.ProcessEnv = {}): Command {
  return run(process.execPath, ['cli/start.mjs', ...args], env);
}

function run(file: string, args: readonly string[], env: NodeJS.ProcessEnv): Command {
  const child = spawn(file, args, {
    cwd: ROOT,
    env: { ...process.env, NO_COLOR: '1', ...env },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let printed = '';
  child.stdout.on('data', chunk => {
    printed += chunk;
  });
  child.stderr.on('data', chunk => {
    printed += chunk;
  });
  const pid = child.pid as number;
  const killGroup = (signal: NodeJS.Signals) => {
    try {
      process.kill(-pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  };
  // A test that fails must not leave its run behind.
  onTestFinished(() => killGroup('SIGKILL'));
  return {
    pid,
    output: () => printed,
    killGroup,
    exited: new Promise(resolve => child.once('close', (code, signal) => resolve({ code, signal }))),
  };
}

/** Waits until `look` gives something, asking every 100 ms. @throws Error with `what` as it is then, when it takes longer than `seconds` */
export async function eventually<T>(
  what: string | (() => string),
  seconds: number,
  look: () => Promise<T | undefined | false> | T | undefined | false,
): Promise<T> {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const seen = await look();
    if (seen) return seen as T;
    if (Date.now() > deadline)
      throw new Error(`Expected ${typeof what === 'string' ? what : what()} within ${seconds} s`);
    await new Promise(resolve => setTimeout(resolve, 100));
  }
}
