/** A real S3 server for tests, with a bucket of its own: versitygw, or the one that RETINOPATHY_TEST_S3 names. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateBucketCommand } from '@aws-sdk/client-s3';
import { type Child, startChild } from '../../../lib/process/child-process.ts';
import { s3Client } from '../../../storage/s3-client.ts';
import { S3_SERVERS, type S3ServerName } from './servers.ts';

export interface S3Server {
  /** `http://127.0.0.1:PORT` */
  endpoint: string;
  bucket: string;
  /** `s3://bucket/prefix` */
  url: string;
  /** What others need in their environment to reach it. */
  env: Record<string, string>;
  /** The folder that is the bucket, with versitygw and rclone. */
  folder: string;
  /** SIGKILL, and back on the same port. */
  kill(): Promise<void>;
  restart(): Promise<void>;
  close(): Promise<void>;
}

const READY_MS = 180_000;

const NAMED = process.env.RETINOPATHY_TEST_S3 as S3ServerName | undefined;

/** @param parent folder to hold what is stored; default: the system's for temporary files */
export async function startS3(parent = tmpdir(), name: S3ServerName = NAMED ?? 'versitygw'): Promise<S3Server> {
  const server = S3_SERVERS[name];
  const program = await server.find();
  const root = await mkdtemp(join(parent, 'retinopathy-s3-'));
  const bucket = `test-${randomBytes(4).toString('hex')}`;
  const access = randomBytes(8).toString('hex');
  const secret = randomBytes(16).toString('hex');
  const port = await freePort();
  const endpoint = `http://127.0.0.1:${port}`;
  const data = join(root, 'data');
  const env = {
    AWS_ENDPOINT_URL_S3: endpoint,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: access,
    AWS_SECRET_ACCESS_KEY: secret,
  };
  let child: Child | undefined;

  async function start(): Promise<void> {
    const command = await server.command({ program, root, data, port, access, secret });
    child = await startChild(command.argv, { env: { PATH: process.env.PATH, HOME: root, ...command.env } });
    const ended = child.exited.then(({ tail }) => {
      throw new Error(`Expected ${name} to keep running, got its end: ${tail.join('\n')}`);
    });
    ended.catch(() => {});
    await Promise.race([answers(name, endpoint), ended]);
  }
  async function kill(): Promise<void> {
    child?.kill('SIGKILL');
    await child?.exited;
  }
  await start();
  await (await s3Client({ env })).send(new CreateBucketCommand({ Bucket: bucket }));
  return {
    endpoint,
    bucket,
    url: `s3://${bucket}/store`,
    env,
    folder: join(data, bucket),
    kill,
    restart: start,
    async close() {
      await kill();
      await rm(root, { recursive: true, force: true });
    },
  };
}

async function answers(name: string, endpoint: string): Promise<void> {
  const deadline = Date.now() + READY_MS;
  for (;;) {
    // Any answer will do: not every server has an address for its health.
    if (await fetch(endpoint).catch(() => undefined)) return;
    if (Date.now() > deadline) throw new Error(`Expected ${name} at ${endpoint} to answer within ${READY_MS} ms`);
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
