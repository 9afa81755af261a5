/** Python environments with packages at pinned versions, in the tool cache: for what is compared with, and checked by, Python programs. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ChildExit, runChild } from '../../lib/process/child-process.ts';
import { which } from '../../lib/process/which.ts';
import { buildOnce, cacheFolder } from '../../lib/tools/cache.ts';
import { type FindOptions, MissingToolError } from '../../lib/tools/missing-tool.ts';

export interface PythonEnvironment {
  /** For people: `Kaggle's own client`. */
  what: string;
  /** The folder's name in the tool cache, with a version that changes when the requirements do. */
  name: string;
  /** Path of a file of pinned requirements, those of the requirements included. */
  requirements: string;
  /** Modules that must load. */
  modules: readonly string[];
}

const SUPPLY =
  'Install Python 3.11 or newer with its modules venv and ensurepip (Debian and Ubuntu: apt-get install python3-venv), so that it is `python3` in PATH';

/**
 * The Python of an environment, made once. Whatever it holds is run as a module or a script: programs in its `bin` name the folder
 * in which they were made, which is renamed.
 * @throws MissingToolError where there is no Python that can make it
 */
export async function pythonWith(
  { what, name, requirements, modules }: PythonEnvironment,
  { env = process.env, report = () => {}, signal }: FindOptions = {},
): Promise<string> {
  const missing = (why: string) => new MissingToolError(`Python for ${what}`, [why], SUPPLY);
  if ((await which('python3', env.PATH)) === null) throw missing('no python3 in PATH');
  const pythonOf = (folder: string) => join(folder, 'bin/python3');
  const run = (command: string[]) => runChild(command, { env, ...(signal && { signal }) });
  const pinned = pinsOf(await readFile(requirements, 'utf8'));
  const folder = await buildOnce({
    cache: cacheFolder(env),
    name,
    tool: `Python for ${what}`,
    report,
    async fault(folder) {
      const asked = `import ${modules.join(', ')}; import importlib.metadata as m; print(*(m.version(n) for n in "${pinned.map(([of]) => of).join(' ')}".split()))`;
      const exit = await run([pythonOf(folder), '-c', asked]).catch((error: Error) => error);
      signal?.throwIfAborted();
      if (exit instanceof Error) return exit.message;
      const wanted = pinned.map(([, version]) => version).join(' ');
      return exit.tail.includes(wanted) ? null : `it is not what is wanted: ${lastWords(exit)}`;
    },
    async make(folder) {
      const old = await run(['python3', '-c', 'import sys; sys.exit(sys.version_info < (3, 11))']);
      if (old.code !== 0) throw missing('python3 is older than 3.11');
      const made = await run(['python3', '-m', 'venv', folder]);
      if (made.code !== 0) throw missing(`python3 -m venv ended with exit ${made.code}: ${lastWords(made)}`);
      report(`installing ${what}`);
      const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-deps', '-r', requirements];
      const installed = await run([pythonOf(folder), ...pip]);
      if (installed.code !== 0) {
        throw new Error(`Expected pip to install ${what}, got exit ${installed.code}: ${lastWords(installed)}`);
      }
    },
  });
  return pythonOf(folder);
}

/** `name==version` lines, without comments and markers. */
function pinsOf(text: string): [name: string, version: string][] {
  return [...text.matchAll(/^([\w.-]+)==([^\s;#]+)/gm)].map(([, name, version]) => [name!, version!]);
}

const lastWords = ({ tail }: ChildExit) =>
  tail
    .filter(line => line.trim() !== '')
    .join(' / ')
    .slice(-400);
