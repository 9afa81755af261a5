/** The installation of docker-compose.yml, under a name, with passwords and ports of its own. */
import { randomBytes } from 'node:crypto';
import { appendFile, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseEnv } from 'node:util';
import { Client, Connection } from '@temporalio/client';
import { runChild } from '../../lib/process/child-process.ts';
import { UserError } from '../../lib/user-error.ts';
import { createS3Store } from '../../storage/s3.ts';
import type { ArtifactStore } from '../../storage/store.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PROJECT_LABEL = 'com.docker.compose.project';

export interface StackOptions {
  signal: AbortSignal;
  report(line: string): void;
  /** Further compose files, below this folder. */
  files?: readonly string[];
}

export interface Command {
  code: number | null;
  output: string;
}

async function docker(args: readonly string[], signal?: AbortSignal): Promise<Command> {
  const lines: string[] = [];
  const exit = await runChild(['docker', ...args], {
    cwd: ROOT,
    env: { ...process.env, COMPOSE_PROGRESS: 'quiet', BUILDKIT_PROGRESS: 'plain' },
    onLine: line => lines.push(line),
    ...(signal && { signal }),
  });
  return { code: exit.code, output: lines.join('\n') };
}

/** @throws UserError where there is no engine, or no `docker compose` of version 2 */
export async function needEngine(): Promise<string> {
  const failed = (what: string, why: string) =>
    new UserError(
      `Expected ${what}, got: ${why.trim().split('\n').at(-1)?.replace(/[.?]$/, '')}. This test runs docker-compose.yml for real`,
    );
  const engine = await docker(['version', '--format', '{{.Server.Version}}']).catch(error => {
    throw failed('Docker', (error as Error).message);
  });
  if (engine.code !== 0) throw failed('a Docker engine that answers', engine.output);
  const compose = await docker(['compose', 'version', '--short']);
  if (compose.code !== 0) throw failed('docker compose, version 2', compose.output);
  return `engine ${engine.output.trim()}, compose ${compose.output.trim()}`;
}

export class Stack {
  private readonly options: StackOptions;
  readonly project: string;
  private readonly folder: string;

  private constructor(options: StackOptions, project: string, folder: string) {
    this.options = options;
    this.project = project;
    this.folder = folder;
  }

  /** Nothing is started yet. */
  static async create(options: StackOptions): Promise<Stack> {
    const project = `retinopathy-test-${randomBytes(3).toString('hex')}`;
    const folder = await mkdtemp(join(tmpdir(), 'compose-'));
    const stack = new Stack(options, project, folder);
    const made = await runChild(['sh', 'deploy/make-env.sh', 'caffe-cpu', stack.envFile], {
      cwd: ROOT,
      env: process.env,
    });
    if (made.code !== 0) throw new Error(`Expected make-env.sh to write settings, got: ${made.tail.join('\n')}`);
    await mkdir(stack.out);
    const ports = ['TEMPORAL', 'UI', 'S3'].map(name => `RETINOPATHY_${name}_PORT=0\n`).join('');
    const mirror = process.env.RETINOPATHY_DEBIAN_MIRROR;
    await appendFile(
      stack.envFile,
      `${ports}RETINOPATHY_OUT=${stack.out}\n${mirror ? `RETINOPATHY_DEBIAN_MIRROR=${mirror}\n` : ''}`,
    );
    return stack;
  }

  private get envFile(): string {
    return join(this.folder, 'env');
  }

  /** What a container of the service `retinopathy` sees as `/out`. */
  get out(): string {
    return join(this.folder, 'out');
  }

  /** `docker compose ARGS`. @throws with what it printed when it fails */
  async compose(...args: string[]): Promise<string> {
    const { code, output } = await this.tryCompose(args, this.options.signal);
    this.options.signal.throwIfAborted();
    if (code !== 0)
      throw new Error(`Expected docker compose ${args.join(' ')} to succeed, got exit ${code}:\n${output}`);
    return output;
  }

  private tryCompose(args: readonly string[], signal?: AbortSignal): Promise<Command> {
    const files = ['docker-compose.yml', ...(this.options.files ?? []).map(file => join('test/compose', file))];
    const where = files.flatMap(file => ['--file', file]);
    return docker(
      [
        'compose',
        '--project-name',
        this.project,
        '--project-directory',
        ROOT,
        '--env-file',
        this.envFile,
        ...where,
        ...args,
      ],
      signal,
    );
  }

  /** `up`, until everything is healthy. */
  async up(...args: string[]): Promise<void> {
    await this.compose('up', '--detach', '--wait', '--wait-timeout', '300', ...args);
  }

  /** The newest words of every container, for whoever looks why something failed. */
  async logs(): Promise<string> {
    return (await this.tryCompose(['logs', '--no-color', '--tail', '30'])).output;
  }

  /** Containers, networks and volumes are gone, whatever happened before. @throws when something stays */
  async down(): Promise<void> {
    const down = await this.tryCompose(['--profile', '*', 'down', '--volumes', '--remove-orphans', '--timeout', '20']);
    const left: string[] = [];
    for (const kind of ['container', 'volume', 'network']) {
      const all = kind === 'container' ? ['--all'] : [];
      const { output } = await docker([kind, 'ls', '-q', ...all, '--filter', `label=${PROJECT_LABEL}=${this.project}`]);
      if (output.trim() !== '') left.push(`${output.trim().split('\n').length} ${kind}s`);
    }
    await rm(this.folder, { recursive: true, force: true });
    if (down.code !== 0 || left.length > 0)
      throw new Error(`Expected down to leave nothing of ${this.project}, got ${left.join(', ')}:\n${down.output}`);
  }

  async containers(service: string): Promise<string[]> {
    return (await this.compose('ps', '--all', '--quiet', service)).split('\n').filter(Boolean);
  }

  /** A field of `docker inspect`, of each container of the service. */
  async inspect(service: string, format: string): Promise<string[]> {
    const ids = await this.containers(service);
    return (await docker(['inspect', '--format', format, ...ids])).output.split('\n');
  }

  /** `docker kill`, and after a while `docker start`: the engine takes a kill by hand for an order to stay away. */
  async killAndStart(service: string, awayMs: number): Promise<void> {
    const [id = ''] = await this.containers(service);
    const killed = await docker(['kill', id]);
    if (killed.code !== 0) throw new Error(`Expected docker kill of ${service} to succeed, got: ${killed.output}`);
    await sleep(awayMs, undefined, { signal: this.options.signal });
    await docker(['start', id]);
    await this.healthy(service);
  }

  /** Kills every process of a container from within, as the kernel does it where memory ends; it must come back by itself. */
  async killWithin(service: string): Promise<void> {
    const restarts = async () => Number((await this.inspect(service, '{{.RestartCount}}'))[0]);
    const before = await restarts();
    await this.tryCompose(['exec', '-T', service, 'sh', '-c', 'kill -9 -1'], this.options.signal);
    await this.until(`${service} to be started again`, 60, async () => (await restarts()) > before);
    await this.healthy(service);
  }

  private async healthy(service: string): Promise<void> {
    await this.until(`${service} to be healthy`, 120, async () => {
      return (await this.inspect(service, '{{.State.Health.Status}}')).every(status => status === 'healthy');
    });
  }

  /** @throws when `look` has not answered true within so many seconds */
  async until(what: string, seconds: number, look: () => Promise<boolean>): Promise<void> {
    const deadline = Date.now() + seconds * 1000;
    while (!(await look())) {
      if (Date.now() > deadline) throw new Error(`Expected ${what} within ${seconds} s`);
      await sleep(500, undefined, { signal: this.options.signal });
    }
  }

  /** `127.0.0.1:PORT` of what a service publishes. Another one after each start of its container. */
  async address(service: string, port: number): Promise<string> {
    return (await this.compose('port', service, String(port))).trim();
  }

  /** Talks to the server through what it publishes. */
  async withClient<Result>(work: (client: Client) => Promise<Result>): Promise<Result> {
    const connection = await Connection.connect({
      address: await this.address('temporal', 7233),
      connectTimeout: '10s',
    });
    try {
      return await work(new Client({ connection }));
    } finally {
      await connection.close();
    }
  }

  async store(): Promise<ArtifactStore> {
    const { RETINOPATHY_S3_ACCESS_KEY, RETINOPATHY_S3_SECRET_KEY } = parseEnv(await readFile(this.envFile, 'utf8'));
    return createS3Store('s3://retinopathy/store', {
      env: {
        AWS_ENDPOINT_URL_S3: `http://${await this.address('s3', 7070)}`,
        AWS_REGION: 'us-east-1',
        AWS_ACCESS_KEY_ID: RETINOPATHY_S3_ACCESS_KEY,
        AWS_SECRET_ACCESS_KEY: RETINOPATHY_S3_SECRET_KEY,
      },
    });
  }

  /** Waits for a run's end, also over deaths of the server. @throws when it ends in anything but success */
  async finished(run: string): Promise<void> {
    const { signal } = this.options;
    for (;;) {
      signal.throwIfAborted();
      const status = await this.withClient(client => client.workflow.getHandle(run).describe()).then(
        ({ status }) => status.name,
        () => 'RUNNING',
      );
      if (status === 'COMPLETED') return;
      if (status !== 'RUNNING') {
        await this.withClient(client => client.workflow.getHandle(run).result());
        throw new Error(`Expected ${run} to complete, got ${status}`);
      }
      await sleep(2_000, undefined, { signal });
    }
  }
}
