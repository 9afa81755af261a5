/** Finds a working Temporal CLI, or downloads or builds one. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { buildOnce, cacheFolder } from './cache.ts';
import { goInstall } from './go-install.ts';
import { type FindOptions, MissingToolError, reasonOf } from './missing-tool.ts';
import { lookForProgram, type Program, verifyProgram } from './program.ts';
import { type Download, downloadTemporalCli } from './temporal-download.ts';

/** The newest version that `go install` can build. Later versions replace a module of their own, which it rejects. */
const VERSION = '1.5.1';
const CACHE_NAME = `temporal-${VERSION}`;
const MODULE = 'github.com/temporalio/cli';
const TOOL = 'the Temporal CLI';
const VERSION_LINE = /^temporal version (.+)$/;

/** A working Temporal CLI. `version`: `1.5.1 (Server 1.29.1, UI 2.42.1)`; `origin`: `TEMPORAL_CLI_PATH`, `PATH` or `cache`. */
export type TemporalCli = Program;

/**
 * Finds the Temporal CLI in this order: TEMPORAL_CLI_PATH, PATH, the cache folder. Else downloads it into the cache folder. If the
 * download fails, or stalls for ten seconds, builds it with Go (three to four minutes on two cores).
 * @throws MissingToolError with all attempts and a fix; at once when TEMPORAL_CLI_PATH names one that does not work
 */
export async function findTemporalCli(
  options: FindOptions & Pick<Download, 'from' | 'stallMs'> = {},
): Promise<TemporalCli> {
  const tried: string[] = [];
  return (await lookForTemporalCli(options, tried)) ?? makeTemporalCli(options, tried);
}

/**
 * Finds the Temporal CLI as `findTemporalCli` does, but creates none.
 * @param tried receives the reason of each failed attempt
 */
export function lookForTemporalCli(
  { env = process.env, report = () => {}, signal }: FindOptions,
  tried: string[] = [],
): Promise<TemporalCli | null> {
  const cached = join(cacheFolder(env), CACHE_NAME, 'temporal');
  const search = { tool: TOOL, setting: 'TEMPORAL_CLI_PATH', name: 'temporal', cached, pattern: VERSION_LINE, missing };
  return lookForProgram({ ...search, env, report, ...(signal && { signal }) }, tried);
}

async function makeTemporalCli(
  { env = process.env, report = () => {}, signal, from, stallMs }: FindOptions & Pick<Download, 'from' | 'stallMs'>,
  tried: string[],
): Promise<TemporalCli> {
  const options = { env, report, ...(signal && { signal }) };
  const ways: ((folder: string) => Promise<void>)[] = [
    async folder => {
      report(`downloading ${TOOL}`);
      await downloadTemporalCli(folder, VERSION, { ...options, ...(from && { from }), ...(stallMs && { stallMs }) });
    },
    folder =>
      goInstall(folder, {
        ...options,
        tool: TOOL,
        target: `${MODULE}/cmd/temporal@v${VERSION}`,
        linkerFlags: `-X ${MODULE}/temporalcli.Version=${VERSION}`,
        takes: 'three to four minutes on two cores',
      }),
  ];
  const verify = (folder: string) => verifyProgram(join(folder, 'temporal'), 'cache', VERSION_LINE, env, signal);
  const fault = async (folder: string) => {
    const verified = await verify(folder);
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
  const made = await verify(
    await buildOnce({ cache: cacheFolder(env), name: CACHE_NAME, tool: TOOL, fault, make, report }),
  );
  if (typeof made === 'string') throw missing([...tried, made]);
  return made;
}

function missing(tried: readonly string[]): MissingToolError {
  return new MissingToolError(
    TOOL,
    tried,
    'Install it (https://docs.temporal.io/cli) so that `temporal` is in PATH, or set TEMPORAL_CLI_PATH to it',
  );
}
