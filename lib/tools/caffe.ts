/** Finds a working Caffe, or installs one. */
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { which } from '../process/which.ts';
import { quote } from '../quote.ts';
import { buildOnce, cacheFolder, explainFault } from './cache.ts';
import type { Caffe } from './caffe-command.ts';
import { type CaffeCommand, parseCommand, programCommand, verifyCaffe } from './caffe-command.ts';
import { debianMirror, installDebianCaffe } from './caffe-debian.ts';
import { buildCaffeImage, dockerCommand, dockerFault } from './caffe-docker.ts';
import { type FindOptions, MissingToolError, neverSilent, reasonOf } from './missing-tool.ts';

const CACHE_NAME = 'caffe-debian11';
const ORIGIN = 'Debian 11';

/**
 * Finds Caffe in this order: CAFFE (a command), CAFFE_ROOT or CAFFE_HOME (a folder), PATH, the cache folder. Else installs it there
 * from the Debian mirror that apt knows (87 MB, a quarter of a minute). If that fails, builds a Docker image.
 * @throws MissingToolError with all attempts and a fix; at once when a setting names one that does not work
 */
export async function findCaffe(options: FindOptions = {}): Promise<Caffe> {
  const tried: string[] = [];
  return (await lookForCaffe(options, tried)) ?? makeCaffe(options, tried);
}

/**
 * Finds Caffe as `findCaffe` does, but installs none.
 * @param tried receives the reason of each failed attempt
 */
export async function lookForCaffe(
  { env = process.env, report = () => {}, signal }: FindOptions,
  tried: string[] = [],
): Promise<Caffe | null> {
  for (const setting of ['CAFFE', 'CAFFE_ROOT', 'CAFFE_HOME'] as const) {
    const value = env[setting];
    if (!value) continue;
    const verified = await named(setting, value)
      .then(command => verifyCaffe(command, setting, env, signal))
      .catch(reasonOf);
    if (typeof verified === 'string') throw missing([`${setting} is ${quote(value)}, but ${verified}`]);
    return verified;
  }
  if ((await which('caffe', env.PATH)) === null) tried.push('no caffe in PATH');
  else {
    const verified = await verifyCaffe(programCommand('caffe'), 'PATH', env, signal);
    if (typeof verified !== 'string') return verified;
    report(`passing over the Caffe in PATH: ${verified}`);
    tried.push(verified);
  }
  const cached = await examineCached(env, signal);
  if (!('reason' in cached)) return cached;
  tried.push(cached.reason);
  return null;
}

/** Returns why the Caffe of the cache folder does not run although it is intact; else null. An intact one is not replaced. */
export async function intactFault(env: NodeJS.ProcessEnv): Promise<string | null> {
  const cached = await examineCached(env);
  return 'reason' in cached && cached.intact ? cached.reason : null;
}

async function examineCached(
  env: NodeJS.ProcessEnv,
  signal?: AbortSignal,
): Promise<Caffe | { intact: boolean; reason: string }> {
  const folder = join(cacheFolder(env), CACHE_NAME);
  const verified = await verifyTree(folder, env, signal);
  if (typeof verified !== 'string') return verified;
  return existsSync(folder) ? explainFault('Caffe', folder, verified) : { intact: false, reason: verified };
}

async function makeCaffe(
  { env = process.env, report = () => {}, signal }: FindOptions,
  tried: string[],
): Promise<Caffe> {
  const mirror = await debianMirror(env);
  if (mirror === null) tried.push('apt knows no Debian mirror (RETINOPATHY_DEBIAN_MIRROR may name one)');
  else {
    try {
      const folder = await buildOnce({
        cache: cacheFolder(env),
        name: CACHE_NAME,
        tool: 'Caffe',
        fault: async folder => asFault(await verifyTree(folder, env, signal)),
        make: (folder, earlier) => {
          report('fetching Caffe from the Debian mirror that apt uses: 90 MB, about a quarter of a minute, this once');
          return neverSilent('fetching Caffe', report, say =>
            installDebianCaffe(folder, { mirror, earlier, env, report: say, ...(signal && { signal }) }),
          );
        },
        report,
      });
      const made = await verifyTree(folder, env, signal);
      if (typeof made !== 'string') return made;
      tried.push(made);
    } catch (error) {
      signal?.throwIfAborted();
      report(reasonOf(error));
      // The search has already recorded an intact Caffe that does not run here.
      if (!tried.includes(reasonOf(error))) tried.push(reasonOf(error));
    }
  }
  const fault = await dockerFault(env);
  if (fault !== null) tried.push(fault);
  else {
    try {
      const command = await dockerCommand(await buildCaffeImage(env, report, signal), env);
      const verified = await verifyCaffe(command, `${ORIGIN}, Docker`, env, signal);
      if (typeof verified !== 'string') return verified;
      tried.push(verified);
    } catch (error) {
      signal?.throwIfAborted();
      tried.push(reasonOf(error));
    }
  }
  throw missing(tried);
}

/** Returns the command of a setting. CAFFE holds a command line, the others the folder of a build, install or unpacked system. */
async function named(setting: 'CAFFE' | 'CAFFE_ROOT' | 'CAFFE_HOME', value: string): Promise<CaffeCommand> {
  if (setting === 'CAFFE') return parseCommand(value);
  for (const folder of ['build/tools', 'tools', 'bin']) {
    const program = await which(join(value, folder, 'caffe'), '');
    if (program !== null) return programCommand(program);
  }
  const tree = await treeCommand(value);
  if (tree === null) throw new Error('it holds no caffe in build/tools, tools, bin or usr/bin');
  return tree;
}

async function verifyTree(folder: string, env: NodeJS.ProcessEnv, signal?: AbortSignal): Promise<Caffe | string> {
  const command = await treeCommand(join(folder, 'root'));
  return command === null ? `no Caffe in ${folder}` : verifyCaffe(command, ORIGIN, env, signal);
}

function asFault(verified: Caffe | string): string | null {
  return typeof verified === 'string' ? verified : null;
}

function missing(tried: readonly string[]): MissingToolError {
  return new MissingToolError(
    'Caffe',
    tried,
    'Install it so that `caffe` is in PATH, set CAFFE to its command or CAFFE_ROOT to its folder, or start Docker',
  );
}

/**
 * Returns the command of the tools in a folder that holds a whole unpacked system. It calls that system's own loader, so that
 * its libraries never mix with the host's.
 * E.g. `['/tree/lib/x86_64-linux-gnu/ld-2.31.so', '--library-path', …, '/tree/usr/bin/caffe']`.
 * @returns null when the folder is not such a tree
 */
export async function treeCommand(root: string): Promise<CaffeCommand | null> {
  const folders = ['usr/local/bin', 'usr/bin'].map(folder => join(root, folder));
  const programs = folders.find(folder => existsSync(join(folder, 'caffe')));
  const libraries = (await readdir(join(root, 'lib')).catch(() => [])).find(name => name.endsWith('-linux-gnu'));
  if (programs === undefined || libraries === undefined) return null;
  const loader = (await readdir(join(root, 'lib', libraries))).find(name =>
    /^ld-(\d+\.\d+\.so|linux-.*\.so\.\d)$/.test(name),
  );
  if (loader === undefined) return null;
  const shared = join(root, 'usr/lib', libraries);
  // Packages that are only unpacked lack the links of the alternatives system, so OpenBLAS must come before the reference BLAS.
  const path = [
    join(shared, 'openblas-pthread'),
    join(shared, 'openblas'),
    join(root, 'usr/local/lib'),
    shared,
    join(root, 'usr/lib'),
    join(root, 'lib', libraries),
    join(shared, 'blas'),
    join(shared, 'lapack'),
    ...(await configured(root)),
  ];
  const unique = [...new Set(path)].join(':');
  return tool => [join(root, 'lib', libraries, loader), '--library-path', unique, join(programs, tool)];
}

/**
 * Returns further folders of libraries that the tree's configuration names, such as CUDA's. The tree's `ld.so.cache` holds paths of
 * another root.
 */
async function configured(root: string): Promise<string[]> {
  const folder = join(root, 'etc/ld.so.conf.d');
  const files = (await readdir(folder).catch(() => [])).filter(name => name.endsWith('.conf')).sort();
  const lines = await Promise.all(files.map(async name => (await readFile(join(folder, name), 'utf8')).split('\n')));
  return lines
    .flat()
    .map(line => line.trim())
    .filter(line => line.startsWith('/'))
    .map(line => join(root, line));
}
