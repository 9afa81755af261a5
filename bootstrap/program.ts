/** Tries whether a program is the one that is looked for. */
import { runChild } from '../system/child-process.ts';
import { which } from '../system/which.ts';
import { reasonOf } from './missing-tool.ts';

export interface Program {
  /** Absolute path of the executable. */
  path: string;
  version: string;
  /** Where it was found: the name of a setting, `PATH` or `cache`. */
  origin: string;
}

/** @returns the program if it tells its version in the way of `pattern` (first group), else the reason why it is none */
export async function verifyProgram(
  program: string,
  origin: string,
  pattern: RegExp,
  env: NodeJS.ProcessEnv,
  signal?: AbortSignal,
): Promise<Program | string> {
  const limit = AbortSignal.timeout(30_000);
  try {
    const exit = await runChild([program, '--version'], {
      env,
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
    });
    const version = exit.tail.map(line => pattern.exec(line)?.[1]).find(Boolean);
    const path = await which(program, env.PATH);
    if (exit.code === 0 && version !== undefined && path !== null) return { path, version, origin };
    return `\`${program} --version\` answered ${exit.signal ?? `exit ${exit.code}`}: ${exit.tail.at(-1) ?? 'nothing'}`;
  } catch (error) {
    return reasonOf(error);
  }
}

export interface Search {
  /** For people: `the Temporal CLI`. */
  tool: string;
  /** The setting that names one: `TEMPORAL_CLI_PATH`. */
  setting: string;
  /** In PATH. */
  name: string;
  /** Path of the one in the cache. */
  cached: string;
  /** What it answers to `--version`; the first group is the version. */
  pattern: RegExp;
  /** The error when the setting names none that works. */
  missing: (tried: readonly string[]) => Error;
  env: NodeJS.ProcessEnv;
  report: (line: string) => void;
  signal?: AbortSignal;
}

/**
 * In this order: the setting, PATH, the cache.
 * @param tried gets what was looked at in vain
 * @throws what `missing` makes, when the setting names one that does not work
 */
export async function lookForProgram(search: Search, tried: string[]): Promise<Program | null> {
  const { tool, setting, name, cached, pattern, missing, env, report, signal } = search;
  const named = env[setting];
  if (named) {
    const verified = await verifyProgram(named, setting, pattern, env, signal);
    if (typeof verified === 'string') throw missing([`${setting} is ${named}, but ${verified}`]);
    return verified;
  }
  for (const [origin, path] of [
    ['PATH', await which(name, env.PATH)],
    ['cache', await which(cached)],
  ] as const) {
    if (path === null) {
      tried.push(origin === 'PATH' ? `no ${name} in PATH` : `no ${cached}`);
      continue;
    }
    const verified = await verifyProgram(path, origin, pattern, env, signal);
    if (typeof verified !== 'string') return verified;
    report(`passing over ${tool} in ${origin}: ${verified}`);
    tried.push(verified);
  }
  return null;
}
