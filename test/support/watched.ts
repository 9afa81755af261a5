/** An installation as a team has it: a Temporal server, a store in S3, three workers that can be watched. */
import { fileURLToPath } from 'node:url';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { choosePort } from '../../cli/local/ports.ts';
import { type Child, startChild } from '../../lib/process/child-process.ts';
import { findTemporalCli } from '../../lib/tools/temporal-cli.ts';
import { READY_LINE, ROLES, type Role } from '../../workers/roles.ts';
import { eventually } from './command.ts';
import { type S3Server, startS3 } from './s3/s3.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export interface WatchedWorker {
  role: Role;
  /** What it has printed so far, on both streams. */
  lines: readonly string[];
  /** What `GET /metrics` answers. */
  metrics(): Promise<string>;
  /** What `GET /live` or `GET /ready` answers. */
  health(path: string): Promise<{ status: number; said: string }>;
}

export interface Watched {
  environment: TestWorkflowEnvironment;
  s3: S3Server;
  startWorkers(env?: NodeJS.ProcessEnv): Promise<WatchedWorker[]>;
  close(): Promise<void>;
}

export async function startWatched(): Promise<Watched> {
  const { path } = await findTemporalCli({ env: process.env });
  const [environment, s3] = await Promise.all([
    TestWorkflowEnvironment.createLocal({ server: { executable: { type: 'existing-path', path } } }),
    startS3(),
  ]);
  const children: Child[] = [];
  const startWorker = async (role: Role, env: NodeJS.ProcessEnv): Promise<WatchedWorker> => {
    const [health, metrics] = [await choosePort(undefined, 0, ''), await choosePort(undefined, 0, '')];
    const lines: string[] = [];
    const child = await startChild([process.execPath, 'cli/start.mjs', 'worker', role], {
      cwd: ROOT,
      env: {
        ...{ ...process.env, ...s3.env, RETINOPATHY_STORE: s3.url, TEMPORAL_ADDRESS: environment.address },
        ...{ RETINOPATHY_HEALTH: String(health), RETINOPATHY_METRICS: `127.0.0.1:${metrics}` },
        ...{ AWS_EC2_METADATA_DISABLED: 'true', RETINOPATHY_SLOTS: '2', ...env },
      },
      onLine: line => lines.push(line),
    });
    children.push(child);
    await eventually(`worker ${role} to be ready (${lines.join('\n')})`, 60, () => lines.includes(READY_LINE));
    return {
      ...{ role, lines },
      metrics: async () => (await fetch(`http://127.0.0.1:${metrics}/metrics`)).text(),
      health: async path => {
        const answer = await fetch(`http://127.0.0.1:${health}${path}`);
        return { status: answer.status, said: (await answer.text()).trim() };
      },
    };
  };
  return {
    ...{ environment, s3 },
    startWorkers: (env = {}) => Promise.all(ROLES.map(role => startWorker(role, env))),
    close: async () => {
      for (const child of children) child.kill('SIGTERM');
      await Promise.all(children.map(({ exited }) => exited));
      await environment.teardown();
      await s3.close();
    },
  };
}
