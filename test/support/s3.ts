/** A real S3 server for tests: versitygw over a temporary folder, with a bucket of its own. */
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findVersitygw } from '../../bootstrap/versitygw.ts';
import { type Child, startChild } from '../../system/child-process.ts';

export interface S3Server {
  /** `http://127.0.0.1:PORT` */
  endpoint: string;
  bucket: string;
  /** `s3://bucket/prefix` */
  url: string;
  /** What others need in their environment to reach it. */
  env: Record<string, string>;
  /** The folder that is the bucket. */
  folder: string;
  /** SIGKILL, and back on the same port. */
  kill(): Promise<void>;
  restart(): Promise<void>;
  close(): Promise<void>;
}

const READY_MS = 30_000;

/** @param parent folder to hold what is stored; default: the system's for temporary files */
export async function startS3(parent = tmpdir()): Promise<S3Server> {
  const { path } = await findVersitygw();
  const root = await mkdtemp(join(parent, 'retinopathy-s3-'));
  const bucket = `test-${randomBytes(4).toString('hex')}`;
  await mkdir(join(root, bucket));
  const access = randomBytes(8).toString('hex');
  const secret = randomBytes(16).toString('hex');
  const port = await freePort();
  const endpoint = `http://127.0.0.1:${port}`;
  let child: Child | undefined;

  async function start(): Promise<void> {
    const options = ['--port', `127.0.0.1:${port}`, '--health', '/health', '--quiet'];
    child = await startChild([path, ...options, 'posix', root], {
      env: { PATH: process.env.PATH, HOME: root, ROOT_ACCESS_KEY: access, ROOT_SECRET_KEY: secret },
    });
    const ended = child.exited.then(({ tail }) => {
      throw new Error(`Expected versitygw to keep running, got its end: ${tail.join('\n')}`);
    });
    ended.catch(() => {});
    await Promise.race([healthy(endpoint), ended]);
  }
  async function kill(): Promise<void> {
    child?.kill('SIGKILL');
    await child?.exited;
  }
  await start();
  return {
    endpoint,
    bucket,
    url: `s3://${bucket}/store`,
    env: {
      AWS_ENDPOINT_URL_S3: endpoint,
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: access,
      AWS_SECRET_ACCESS_KEY: secret,
    },
    folder: join(root, bucket),
    kill,
    restart: start,
    async close() {
      await kill();
      await rm(root, { recursive: true, force: true });
    },
  };
}

async function healthy(endpoint: string): Promise<void> {
  const deadline = Date.now() + READY_MS;
  for (;;) {
    const answer = await fetch(`${endpoint}/health`).catch(() => undefined);
    if (answer?.ok) return;
    if (Date.now() > deadline) throw new Error(`Expected versitygw at ${endpoint} to be healthy within ${READY_MS} ms`);
    await new Promise(resolve => setTimeout(resolve, 20));
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise(resolve => server.close(resolve));
  return port;
}
