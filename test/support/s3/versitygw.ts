/** Finds versitygw, an S3 server over a folder, or builds it: the tests' store is a real one. */
import { join } from 'node:path';
import { buildOnce, cacheFolder } from '../../../lib/tools/cache.ts';
import { goInstall } from '../../../lib/tools/go-install.ts';
import { type FindOptions, MissingToolError, reasonOf } from '../../../lib/tools/missing-tool.ts';
import { lookForProgram, type Program, verifyProgram } from '../../../lib/tools/program.ts';

const VERSION = '1.7.0';
const CACHE_NAME = `versitygw-${VERSION}`;
const MODULE = 'github.com/versity/versitygw';
const TOOL = 'versitygw';
const VERSION_LINE = /^Version\s*: *(\S+)$/;

/**
 * In this order: VERSITYGW_PATH, PATH, the cache folder; else it is put there, built with Go (a minute on two cores).
 * @throws MissingToolError what was tried and how to supply it; at once when VERSITYGW_PATH names one that does not work
 */
export async function findVersitygw({
  env = process.env,
  report = () => {},
  signal,
}: FindOptions = {}): Promise<Program> {
  const options = { env, report, ...(signal && { signal }) };
  const tried: string[] = [];
  const cached = join(cacheFolder(env), CACHE_NAME, 'versitygw');
  const search = { tool: TOOL, setting: 'VERSITYGW_PATH', name: 'versitygw', cached, pattern: VERSION_LINE, missing };
  const found = await lookForProgram({ ...search, ...options }, tried);
  if (found !== null) return found;

  const verify = (folder: string) => verifyProgram(join(folder, 'versitygw'), 'cache', VERSION_LINE, env, signal);
  const fault = async (folder: string) => {
    const verified = await verify(folder);
    return typeof verified === 'string' ? verified : null;
  };
  const make = (folder: string) =>
    goInstall(folder, {
      ...options,
      tool: TOOL,
      target: `${MODULE}/cmd/versitygw@v${VERSION}`,
      linkerFlags: `-X main.Version=${VERSION}`,
      takes: 'a minute on two cores',
    });
  try {
    const made = await verify(
      await buildOnce({ cache: cacheFolder(env), name: CACHE_NAME, tool: TOOL, fault, make, report }),
    );
    if (typeof made !== 'string') return made;
    throw new Error(made);
  } catch (error) {
    signal?.throwIfAborted();
    throw missing([...tried, reasonOf(error)]);
  }
}

function missing(tried: readonly string[]): MissingToolError {
  return new MissingToolError(
    TOOL,
    tried,
    'Install it (https://github.com/versity/versitygw) so that `versitygw` is in PATH, or set VERSITYGW_PATH to it',
  );
}
