/** Finds a program and verifies it by its version. */
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { runChild } from '../process/child-process.ts';
import { which } from '../process/which.ts';
import { explainFault } from './cache.ts';
import { reasonOf } from './missing-tool.ts';

export interface Program {
  /** Absolute path of the executable. */
  path: string;
  version: string;
  /** Origin of the program: the name of a setting, `PATH` or `cache`. */
  origin: string;
}

/**
 * Runs a program with `--version`.
 * @param pattern matches the line with the version, which is the first group
 * @returns the program, or a one-line reason when it fails or no line matches
 * @throws the reason of `signal`, when that has aborted the attempt
 */
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
    signal?.throwIfAborted();
    if (exit.code === 0 && version !== undefined && path !== null) return { path, version, origin };
    return `\`${program} --version\` answered ${exit.signal ?? `exit ${exit.code}`}: ${exit.tail.at(-1) ?? 'nothing'}`;
  } catch (error) {
    signal?.throwIfAborted();
    return reasonOf(error);
  }
}

export interface Search {
  /** Name of the tool in messages: `the Temporal CLI`. */
  tool: string;
  /** Setting that names a program: `TEMPORAL_CLI_PATH`. */
  setting: string;
  /** Name of the program in PATH. */
  name: string;
  /** Path of the program in the cache. */
  cached: string;
  /** Pattern of the program's answer to `--version`; the first group is the version. */
  pattern: RegExp;
  /** Creates the error for a missing program from the failed attempts. */
  missing: (tried: readonly string[]) => Error;
  env: NodeJS.ProcessEnv;
  report: (line: string) => void;
  signal?: AbortSignal;
}

/**
 * Finds a program in this order: the setting, PATH, the cache.
 * @param tried receives the reason of each failed attempt
 * @throws the error of `missing` when the setting's program does not work, or an intact cached one does not run here
 */
export async function lookForProgram(search: Search, tried: string[]): Promise<Program | null> {
  const { tool, setting, name, cached, pattern, missing, env, report, signal } = search;
  const named = env[setting];
  if (named) {
    const verified = await verifyProgram(named, setting, pattern, env, signal);
    if (typeof verified === 'string') throw missing([`${setting} is ${named}, but ${verified}`]);
    return verified;
  }
  const inPath = await which(name, env.PATH);
  if (inPath === null) tried.push(`no ${name} in PATH`);
  else {
    const verified = await verifyProgram(inPath, 'PATH', pattern, env, signal);
    if (typeof verified !== 'string') return verified;
    report(`passing over ${tool} in PATH: ${verified}`);
    tried.push(verified);
  }
  if (!existsSync(cached)) {
    tried.push(`no ${cached}`);
    return null;
  }
  const verified = await verifyProgram(cached, 'cache', pattern, env, signal);
  if (typeof verified !== 'string') return verified;
  const { intact, reason } = await explainFault(tool, dirname(cached), verified);
  tried.push(reason);
  // A new build would be the same.
  if (intact) throw missing(tried);
  return null;
}
