/** Kaggle's own client, in a Python environment of its own in the tool cache, kept to loopback. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type ChildExit, runChild } from '../../lib/process/child-process.ts';
import type { FindOptions } from '../../lib/tools/missing-tool.ts';
import { pythonWith } from './python-environment.ts';

const REQUIREMENTS = fileURLToPath(new URL('kaggle-cli.requirements.txt', import.meta.url));
const RUNNER = fileURLToPath(new URL('kaggle_cli.py', import.meta.url));
const VERSION = /^kaggle==(.+)$/m.exec(readFileSync(REQUIREMENTS, 'utf8'))![1]!;
/** The Python of an environment that holds the client with everything at its pinned version; made once, in about ten seconds. */
export function kagglePython(options: FindOptions = {}): Promise<string> {
  const environment = {
    what: "Kaggle's own client",
    name: `kaggle-cli-${VERSION}`,
    requirements: REQUIREMENTS,
    modules: ['importlib.metadata', 'six'],
  };
  return pythonWith(environment, options);
}

export interface KaggleCliOptions {
  python: string;
  /** `http://127.0.0.1:PORT`: nothing but loopback is reached. */
  endpoint: string;
  token: string;
  /** Home and working folder of the client. */
  folder: string;
  /** Kills the client. */
  signal?: AbortSignal;
}

/** Runs `kaggle ARGUMENTS`. */
export async function kaggleCli(
  { python, endpoint, token, folder, signal }: KaggleCliOptions,
  args: readonly string[],
): Promise<ChildExit & { output: string }> {
  const exit = await runChild([python, RUNNER, endpoint, ...args], {
    cwd: folder,
    ...(signal && { signal, stopSignal: 'SIGKILL' }),
    env: {
      PATH: process.env.PATH,
      HOME: folder,
      KAGGLE_API_ENVIRONMENT: 'LOCALHOST',
      KAGGLE_API_TOKEN: token,
      NO_PROXY: '*',
      PYTHONDONTWRITEBYTECODE: '1',
    },
  });
  return { ...exit, output: exit.tail.join('\n') };
}
