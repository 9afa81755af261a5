/** Finds a Caffe that works, or makes one. */
import { join } from 'node:path';
import type { Caffe } from '../activities/services.ts';
import { which } from '../system/which.ts';
import { buildOnce, cacheFolder } from './cache.ts';
import { type CaffeCommand, parseCommand, programCommand, verifyCaffe } from './caffe-command.ts';
import { debianMirror, installDebianCaffe } from './caffe-debian.ts';
import { buildCaffeImage, dockerCommand, dockerFault } from './caffe-docker.ts';
import { treeCommand } from './caffe-tree.ts';
import { type FindOptions, MissingToolError, neverSilent, reasonOf } from './missing-tool.ts';

const CACHE_NAME = 'caffe-debian11';
const ORIGIN = 'Debian 11';

/**
 * In this order: CAFFE (a command), CAFFE_ROOT or CAFFE_HOME (a folder), PATH, the cache folder; else it is put there from
 * the Debian mirror that apt knows (87 MB, a quarter of a minute), or built as a Docker image.
 * @throws MissingToolError what was tried and how to supply it; at once when a setting names one that does not work
 */
export async function findCaffe(options: FindOptions = {}): Promise<Caffe> {
  const tried: string[] = [];
  return (await lookForCaffe(options, tried)) ?? makeCaffe(options, tried);
}

/**
 * The same without making one.
 * @param tried gets what was looked at in vain
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
    if (typeof verified === 'string') throw missing([`${setting} is ${value}, but ${verified}`]);
    return verified;
  }
  if ((await which('caffe', env.PATH)) === null) tried.push('no caffe in PATH');
  else {
    const verified = await verifyCaffe(programCommand('caffe'), 'PATH', env, signal);
    if (typeof verified !== 'string') return verified;
    report(`passing over the Caffe in PATH: ${verified}`);
    tried.push(verified);
  }
  const cached = join(cacheFolder(env), CACHE_NAME);
  const verified = await verifyTree(cached, env, signal);
  if (typeof verified !== 'string') return verified;
  tried.push(verified);
  return null;
}

async function makeCaffe(
  { env = process.env, report = () => {}, signal }: FindOptions,
  tried: string[],
): Promise<Caffe> {
  const mirror = await debianMirror(env);
  if (mirror === null) tried.push('apt knows no Debian mirror (RETINOPATHY_DEBIAN_MIRROR may name one)');
  else {
    try {
      report('fetching Caffe from the Debian mirror that apt uses: 90 MB, about a quarter of a minute, this once');
      const folder = await buildOnce({
        cache: cacheFolder(env),
        name: CACHE_NAME,
        fault: async folder => asFault(await verifyTree(folder, env, signal)),
        make: folder =>
          neverSilent('fetching Caffe', report, say => installDebianCaffe(folder, mirror, env, say, signal)),
        report,
      });
      const made = await verifyTree(folder, env, signal);
      if (typeof made !== 'string') return made;
      tried.push(made);
    } catch (error) {
      signal?.throwIfAborted();
      tried.push(reasonOf(error));
      report(reasonOf(error));
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

/** What a setting names: CAFFE a command line; the others a build of Caffe, an installation, or a whole unpacked system. */
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
