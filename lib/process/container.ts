/**
 * Commands that start a container, such as `docker run … image caffe`. A process in a container is a child of the engine and
 * outlives the command that started it. So each container gets a name and labels, and is removed when its command has ended. The
 * labels identify the containers of a killed process.
 */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { basename } from 'node:path';
import { type ChildExit, type ChildOptions, runChild } from './child-process.ts';

const ENGINES = new Set(['docker', 'podman', 'nerdctl']);
/** Time limit for a command of the engine. */
const PATIENCE_MS = 60_000;
const MACHINE = 'retinopathy.machine';
const OWNER = 'retinopathy.owner';

export interface ContainerOptions extends ChildOptions {
  /** The process that started it, for `removeLeftContainers`: a path that names the process. */
  owner: string;
  /** Further labels, for users of `docker ps`. */
  labels?: Readonly<Record<string, string>>;
  /** Names of the variables of `env` that the container gets, if they are set. */
  variables?: readonly string[];
}

/**
 * Runs a command to its end as `runChild` does. A container runs with the user's ids in the folder `cwd`, mounted at the same path.
 * Options in the command come later and override these.
 */
export async function runContained(command: readonly string[], options: ContainerOptions): Promise<ChildExit> {
  const engine = engineOf(command);
  if (engine === null) return runChild(command, options);
  const name = `retinopathy-${randomUUID()}`;
  const { cwd, env = process.env, owner, labels = {}, variables = [] } = options;
  const own = {
    ...{ [MACHINE]: hostname(), [OWNER]: owner },
    ...labels,
  };
  const words = [
    ...['run', '--rm', '--name', name],
    ...Object.entries(own).flatMap(([label, value]) => ['--label', `${label}=${value}`]),
    ...(cwd === undefined ? [] : ['--volume', `${cwd}:${cwd}`, '--workdir', cwd]),
    ...['--user', `${process.getuid?.() ?? 0}:${process.getgid?.() ?? 0}`],
    ...variables.filter(variable => env[variable] !== undefined).flatMap(variable => ['--env', variable]),
  ];
  try {
    return await runChild([...engine, ...words, ...command.slice(engine.length + 1)], options);
  } finally {
    await remove(engine, [name], env);
  }
}

/**
 * Removes the containers that processes of this machine have left behind.
 * @param command the command that starts such containers; nothing is removed if it starts none
 * @param isLeft returns whether the process of this owner has ended
 * @returns the number of containers; 0 when the engine does not answer
 */
export async function removeLeftContainers(
  command: readonly string[],
  isLeft: (owner: string) => boolean,
  env: NodeJS.ProcessEnv,
): Promise<number> {
  const engine = engineOf(command);
  if (engine === null) return 0;
  const listing = ['ps', '--all', '--filter', `label=${MACHINE}=${hostname()}`];
  const { code, tail } = await ask([...engine, ...listing, '--format', `{{.ID}} {{.Label "${OWNER}"}}`], env);
  if (code !== 0) return 0;
  const left = tail
    .map(line => /^(\S+) (.+)$/.exec(line.trim()))
    .filter(match => match !== null && isLeft(match[2]!))
    .map(match => match![1]!);
  if (left.length > 0) await remove(engine, left, env);
  return left.length;
}

/** Returns the words before `run`; null for a command that starts no container. */
function engineOf(command: readonly string[]): string[] | null {
  const engine = command.slice(0, command.indexOf('run'));
  return command.includes('run') && engine.some(word => ENGINES.has(basename(word))) ? engine : null;
}

/** Removes containers. Ignores errors: one that has ended is already removed, which the engine may report as an error. */
async function remove(engine: readonly string[], containers: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
  await ask([...engine, 'rm', '--force', ...containers], env);
}

async function ask(command: readonly string[], env: NodeJS.ProcessEnv): Promise<Pick<ChildExit, 'code' | 'tail'>> {
  const signal = AbortSignal.timeout(PATIENCE_MS);
  return runChild(command, { env, signal }).catch(error => ({ code: null, tail: [String(error)] }));
}
