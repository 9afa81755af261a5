/** Finds a Temporal CLI that works, or makes one. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { runChild } from '../system/child-process.ts';
import { which } from '../system/which.ts';
import { buildOnce, cacheFolder } from './cache.ts';
import { type FindOptions, MissingToolError, neverSilent, type Report, reasonOf } from './missing-tool.ts';
import { type Download, downloadTemporalCli } from './temporal-download.ts';

/** The newest that `go install` can build: later versions replace a module of their own. */
const VERSION = '1.5.1';
const CACHE_NAME = `temporal-${VERSION}`;
const MODULE = 'github.com/temporalio/cli';

export interface TemporalCli {
  /** Absolute path of the executable. */
  path: string;
  /** `1.5.1 (Server 1.29.1, UI 2.42.1)` */
  version: string;
  /** Where it was found: `TEMPORAL_CLI_PATH`, `PATH` or `cache`. */
  origin: string;
}

/**
 * In this order: TEMPORAL_CLI_PATH, PATH, the cache folder; else it is put there, downloaded or, after ten seconds
 * without an answer, built with Go (three to four minutes on two cores).
 * @throws MissingToolError what was tried and how to supply it; at once when TEMPORAL_CLI_PATH names one that does not work
 */
export async function findTemporalCli(
  options: FindOptions & Pick<Download, 'from' | 'stallMs'> = {},
): Promise<TemporalCli> {
  const tried: string[] = [];
  return (await lookForTemporalCli(options, tried)) ?? makeTemporalCli(options, tried);
}

/**
 * The same without making one.
 * @param tried gets what was looked at in vain
 */
export async function lookForTemporalCli(
  { env = process.env, report = () => {}, signal }: FindOptions,
  tried: string[] = [],
): Promise<TemporalCli | null> {
  const named = env.TEMPORAL_CLI_PATH;
  if (named) {
    const verified = await verify(named, 'TEMPORAL_CLI_PATH', env, signal);
    if (typeof verified === 'string') throw missing([`TEMPORAL_CLI_PATH is ${named}, but ${verified}`]);
    return verified;
  }
  const cached = join(cacheFolder(env), CACHE_NAME, 'temporal');
  for (const [origin, path] of [
    ['PATH', await which('temporal', env.PATH)],
    ['cache', await which(cached)],
  ] as const) {
    if (path === null) {
      tried.push(origin === 'PATH' ? 'no temporal in PATH' : `no ${cached}`);
      continue;
    }
    const verified = await verify(path, origin, env, signal);
    if (typeof verified !== 'string') return verified;
    report(`passing over the Temporal CLI in ${origin}: ${verified}`);
    tried.push(verified);
  }
  return null;
}

async function makeTemporalCli(
  { env = process.env, report = () => {}, signal, from, stallMs }: FindOptions & Pick<Download, 'from' | 'stallMs'>,
  tried: string[],
): Promise<TemporalCli> {
  const ways: ((folder: string) => Promise<void>)[] = [
    async folder => {
      report('downloading the Temporal CLI');
      const options = { env, report, ...(signal && { signal }), ...(from && { from }), ...(stallMs && { stallMs }) };
      await downloadTemporalCli(folder, VERSION, options);
    },
    async folder => {
      if ((await which('go', env.PATH)) === null) throw new Error('no Go in PATH to build it with');
      report('building the Temporal CLI with Go: three to four minutes on two cores, this once');
      await neverSilent('building the Temporal CLI', report, say => installWithGo(folder, env, say, signal));
    },
  ];
  const fault = async (folder: string) => {
    const verified = await verify(join(folder, 'temporal'), 'cache', env, signal);
    return typeof verified === 'string' ? verified : null;
  };
  const make = async (folder: string) => {
    for (const way of ways) {
      try {
        await way(folder);
        const found = await fault(folder);
        if (found === null) return;
        throw new Error(found);
      } catch (error) {
        signal?.throwIfAborted();
        tried.push(reasonOf(error));
        report(reasonOf(error));
        await rm(join(folder, 'temporal'), { force: true });
      }
    }
    throw missing(tried);
  };
  const folder = await buildOnce({ cache: cacheFolder(env), name: CACHE_NAME, fault, make, report });
  const made = await verify(join(folder, 'temporal'), 'cache', env, signal);
  if (typeof made === 'string') throw missing([...tried, made]);
  return made;
}

async function installWithGo(
  folder: string,
  env: NodeJS.ProcessEnv,
  report: Report,
  signal?: AbortSignal,
): Promise<void> {
  let packages = 0;
  let told = Date.now();
  const command = [
    'go',
    'install',
    '-v',
    '-ldflags',
    `-s -w -X ${MODULE}/temporalcli.Version=${VERSION}`,
    `${MODULE}/cmd/temporal@v${VERSION}`,
  ];
  const exit = await runChild(command, {
    env: { ...env, GOBIN: folder },
    ...(signal && { signal }),
    onLine(line) {
      // One line for every module that is fetched, then one for every package that is compiled.
      if (/^[\w.-]+(\/|$)/.test(line)) packages += 1;
      if (Date.now() - told < 5_000) return;
      told = Date.now();
      report(`building the Temporal CLI: ${packages > 0 ? `${packages} packages compiled` : line}`);
    },
  });
  signal?.throwIfAborted();
  if (exit.code === 0) return;
  throw new Error(`go install ended with ${exit.signal ?? `exit ${exit.code}`}: ${exit.tail.at(-1) ?? 'no message'}`);
}

/** The CLI if it answers, else the reason why it is none. */
async function verify(
  program: string,
  origin: string,
  env: NodeJS.ProcessEnv,
  signal?: AbortSignal,
): Promise<TemporalCli | string> {
  const limit = AbortSignal.timeout(30_000);
  try {
    const exit = await runChild([program, '--version'], {
      env,
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
    });
    const version = exit.tail.map(line => /^temporal version (.+)$/.exec(line)?.[1]).find(Boolean);
    const path = await which(program, env.PATH);
    if (exit.code === 0 && version !== undefined && path !== null) return { path, version, origin };
    return `\`${program} --version\` answered ${exit.signal ?? `exit ${exit.code}`}: ${exit.tail.at(-1) ?? 'nothing'}`;
  } catch (error) {
    return reasonOf(error);
  }
}

function missing(tried: readonly string[]): MissingToolError {
  return new MissingToolError(
    'the Temporal CLI',
    tried,
    'Install it (https://docs.temporal.io/cli) so that `temporal` is in PATH, or set TEMPORAL_CLI_PATH to it',
  );
}
