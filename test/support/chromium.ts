/** Chromium for the tests of the report: found, or installed where this process may do that. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { runChild } from '../../lib/process/child-process.ts';
import { lockFile } from '../../lib/process/file-lock.mjs';
import { which } from '../../lib/process/which.ts';
import { cacheFolder } from '../../lib/tools/cache.ts';
import { type FindOptions, MissingToolError, neverSilent } from '../../lib/tools/missing-tool.ts';
import { type Program, verifyProgram } from '../../lib/tools/program.ts';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
const VERSION = /(?:Chromium|Google Chrome) (\d[\d.]*)/;

/**
 * In this order: CHROMIUM_PATH, PATH; else Debian's package, by a process that is root.
 * @throws MissingToolError what was tried and how to supply it
 */
export async function findChromium({
  env = process.env,
  report = () => {},
  signal,
}: FindOptions = {}): Promise<Program> {
  const tried: string[] = [];
  if (env.CHROMIUM_PATH) {
    const named = await verifyProgram(env.CHROMIUM_PATH, 'CHROMIUM_PATH', VERSION, env, signal);
    if (typeof named !== 'string') return named;
    throw missing([`CHROMIUM_PATH is ${env.CHROMIUM_PATH}, but ${named}`]);
  }
  const found = await lookInPath(env, tried, signal);
  if (found !== null) return found;
  if (process.getuid?.() !== 0 || (await which('apt-get', env.PATH)) === null) {
    throw missing([...tried, 'no apt-get that this user may install with']);
  }
  await mkdir(cacheFolder(env), { recursive: true });
  const lock = await lockFile(join(cacheFolder(env), 'chromium.lock'), { onWait: () => {} });
  try {
    await neverSilent('installing Chromium', report, async () => {
      for (const words of ['update', 'install --yes --no-install-recommends chromium']) {
        const exit = await runChild(['apt-get', '--quiet', ...words.split(' ')], {
          env: { ...env, DEBIAN_FRONTEND: 'noninteractive' },
          ...(signal && { signal }),
        });
        if (exit.code !== 0) tried.push(`apt-get ${words} ended with exit ${exit.code}: ${exit.tail.at(-1) ?? ''}`);
      }
    });
  } finally {
    lock.release();
  }
  const installed = await lookInPath(env, tried, signal);
  if (installed !== null) return installed;
  throw missing(tried);
}

async function lookInPath(env: NodeJS.ProcessEnv, tried: string[], signal?: AbortSignal): Promise<Program | null> {
  for (const name of NAMES) {
    const path = await which(name, env.PATH);
    if (path === null) continue;
    const program = await verifyProgram(path, 'PATH', VERSION, env, signal);
    if (typeof program !== 'string') return program;
    tried.push(program);
  }
  tried.push(`none of ${NAMES.join(', ')} works in PATH`);
  return null;
}

function missing(tried: readonly string[]): MissingToolError {
  return new MissingToolError(
    'Chromium',
    tried,
    'Install it (Debian: apt-get install chromium) so that it is in PATH, or set CHROMIUM_PATH to it',
  );
}
