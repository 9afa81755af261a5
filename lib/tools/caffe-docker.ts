/** Runs Caffe in a container of the project's own image, where neither a binary nor apt is available. */
import { createHash } from 'node:crypto';
import { readFile, realpath } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runChild } from '../process/child-process.ts';
import { which } from '../process/which.ts';
import type { CaffeCommand } from './caffe-command.ts';
import { neverSilent, type Report } from './missing-tool.ts';

const DEPLOY = join(import.meta.dirname, '../../deploy');
const FILES = ['caffe.Dockerfile', 'caffe-entrypoint.sh', 'install-debian11.sh', 'debian11-amd64.sha256'];
const LABEL = 'retinopathy=caffe';

/**
 * Starts a container with a standard input that stays empty and closes when `docker run` dies. It is a pipe that `docker run`
 * itself holds open for writing. The working folder is known only here, when the tool starts.
 */
const RUN = `
pipe=$(mktemp -u) && mkfifo "$pipe" && exec 0<>"$pipe" && rm "$pipe" || exit 125
exec docker run --volume "$PWD:$PWD" --workdir "$PWD" "$@"
`;

/** Returns why no Docker engine is available; null when one answers. */
export async function dockerFault(env: NodeJS.ProcessEnv): Promise<string | null> {
  if ((await which('docker', env.PATH)) === null) return 'no docker in PATH';
  const { code, tail } = await runChild(['docker', 'version', '--format', '{{.Server.Version}}'], {
    env,
    signal: AbortSignal.timeout(20_000),
  });
  return code === 0 ? null : `no Docker engine: ${tail.at(-1) ?? 'no answer'}`;
}

/**
 * Builds the image unless the engine has it. The image's name holds the checksum of its source files.
 * @throws Error with Docker's last line
 */
export async function buildCaffeImage(env: NodeJS.ProcessEnv, report: Report, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  for (const file of FILES) hash.update(await readFile(join(DEPLOY, file)));
  const image = `retinopathy-caffe:${hash.digest('hex').slice(0, 12)}`;
  const options = { env, ...(signal && { signal }) };
  if ((await runChild(['docker', 'image', 'inspect', image], options)).code === 0) return image;
  report('building the Docker image with Caffe: one to three minutes, this once');
  const command = ['docker', 'build', '--file', join(DEPLOY, 'caffe.Dockerfile'), '--tag', image, '--label', LABEL];
  for (const name of ['MIRROR', 'ARCHIVE']) {
    const value = env[`RETINOPATHY_DEBIAN_${name}`];
    if (value) command.push('--build-arg', `${name}=${value}`);
  }
  const exit = await neverSilent('building the Docker image', report, () => runChild([...command, DEPLOY], options));
  signal?.throwIfAborted();
  if (exit.code !== 0) {
    throw new Error(
      `docker build ended with ${exit.signal ?? `exit ${exit.code}`}: ${exit.tail.at(-1) ?? 'no message'}`,
    );
  }
  return image;
}

/**
 * Returns the command that runs a tool in a container. Its working folder, the folder for temporary files and RETINOPATHY_SCRATCH
 * are mounted at their own paths. New files belong to this process's user. A signal to `docker run` reaches the tool.
 */
export async function dockerCommand(image: string, env: NodeJS.ProcessEnv): Promise<CaffeCommand> {
  const folders = new Set([tmpdir(), env.RETINOPATHY_SCRATCH].filter(folder => folder !== undefined));
  for (const folder of [...folders]) folders.add(await realpath(folder).catch(() => folder));
  const options = [
    ...['--rm', '--interactive', '--init', '--network', 'none', '--label', LABEL],
    ...[...folders].flatMap(folder => ['--volume', `${folder}:${folder}`]),
    ...['GLOG_logtostderr', 'OPENBLAS_NUM_THREADS', 'OMP_NUM_THREADS', 'OPENBLAS_CORETYPE'].flatMap(name => [
      '--env',
      name,
    ]),
    ...['--env', 'HOME=/tmp', '--user', `${process.getuid?.() ?? 0}:${process.getgid?.() ?? 0}`],
  ];
  return tool => ['/bin/sh', '-c', RUN, 'sh', ...options, image, tool];
}
