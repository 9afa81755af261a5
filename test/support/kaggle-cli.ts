/** Kaggle's own client, in a Python environment of its own in the tool cache, kept to loopback. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildOnce, cacheFolder } from '../../bootstrap/cache.ts';
import { type FindOptions, MissingToolError } from '../../bootstrap/missing-tool.ts';
import { type ChildExit, runChild } from '../../system/child-process.ts';
import { which } from '../../system/which.ts';

const REQUIREMENTS = fileURLToPath(new URL('kaggle-cli.requirements.txt', import.meta.url));
const RUNNER = fileURLToPath(new URL('kaggle_cli.py', import.meta.url));
const VERSION = /^kaggle==(.+)$/m.exec(readFileSync(REQUIREMENTS, 'utf8'))![1]!;
const SUPPLY =
  'Install Python 3.11 or newer with its modules venv and ensurepip (Debian and Ubuntu: apt-get install python3-venv), so that it is `python3` in PATH';

/** The Python of an environment that holds the client with everything at its pinned version; made once, in about ten seconds. */
export async function kagglePython({ env = process.env, report = () => {} }: FindOptions = {}): Promise<string> {
  const missing = (why: string) => new MissingToolError(`Python for Kaggle's own client`, [why], SUPPLY);
  if ((await which('python3', env.PATH)) === null) throw missing('no python3 in PATH');
  const pythonOf = (folder: string) => join(folder, 'bin/python3');
  // Its scripts would name the folder in which they were made, which is renamed: everything is run as a module.
  const run = (command: string[]) => runChild(command, { env });
  const lastWords = ({ tail }: ChildExit) =>
    tail
      .filter(line => line.trim() !== '')
      .join(' / ')
      .slice(-400);
  const folder = await buildOnce({
    cache: cacheFolder(env),
    name: `kaggle-cli-${VERSION}`,
    report,
    async fault(folder) {
      const asked = 'import importlib.metadata as m, six; print("kaggle", m.version("kaggle"))';
      const exit = await run([pythonOf(folder), '-c', asked]).catch((error: Error) => error);
      if (exit instanceof Error) return exit.message;
      return exit.tail.includes(`kaggle ${VERSION}`) ? null : `it has no kaggle ${VERSION}: ${lastWords(exit)}`;
    },
    async make(folder) {
      const old = await run(['python3', '-c', 'import sys; sys.exit(sys.version_info < (3, 11))']);
      if (old.code !== 0) throw missing('python3 is older than 3.11');
      const made = await run(['python3', '-m', 'venv', folder]);
      if (made.code !== 0) throw missing(`python3 -m venv ended with exit ${made.code}: ${lastWords(made)}`);
      report(`installing Kaggle's own client ${VERSION} for the tests`);
      const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-deps', '-r', REQUIREMENTS];
      const installed = await run([pythonOf(folder), ...pip]);
      if (installed.code !== 0) {
        throw new Error(
          `Expected pip to install kaggle ${VERSION}, got exit ${installed.code}: ${lastWords(installed)}`,
        );
      }
    },
  });
  return pythonOf(folder);
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
