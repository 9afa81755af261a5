/** `deploy/make-account.sh` and `make-bucket.ts` on a real S3 server: the workers' account may read and write the bucket's objects, and nothing else. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  ListObjectsV2Command,
  PutBucketAclCommand,
  PutBucketPolicyCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createS3Store } from '../../storage/s3.ts';
import { type S3Server, startS3 } from '../support/s3/s3.ts';
import { findVersitygw } from '../support/s3/versitygw.ts';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const BUCKET = 'retinopathy';

let server: S3Server;
let bin: string;
beforeAll(async () => {
  server = await startS3();
  bin = await mkdtemp(join(tmpdir(), 'account-'));
  await symlink((await findVersitygw()).path, join(bin, 'versitygw'));
});
afterAll(async () => {
  await server.close();
  await rm(bin, { recursive: true, force: true });
});

async function makeBucket(secret: string): Promise<void> {
  await run('sh', ['deploy/make-account.sh'], {
    cwd: ROOT,
    env: {
      PATH: `${bin}:${process.env.PATH}`,
      ADMIN_ENDPOINT_URL: server.endpoint,
      ADMIN_ACCESS_KEY_ID: server.env.AWS_ACCESS_KEY_ID,
      ADMIN_SECRET_ACCESS_KEY: server.env.AWS_SECRET_ACCESS_KEY,
      STORE_ACCESS_KEY: 'worker',
      STORE_SECRET_KEY: secret,
    },
  });
  const script = ['--import', 'tsx', 'deploy/make-bucket.ts', BUCKET, 'worker'];
  await run(process.execPath, script, { cwd: ROOT, env: { PATH: process.env.PATH, ...server.env } });
}
const envOf = (secret: string) => ({ ...server.env, AWS_ACCESS_KEY_ID: 'worker', AWS_SECRET_ACCESS_KEY: secret });

test('the account does all that a store does, also after a second start with another secret', async () => {
  await makeBucket('first-secret');
  const first = await createS3Store(`s3://${BUCKET}/store`, { env: envOf('first-secret') });
  await first.check?.();
  await first.put('a/b', Buffer.from('one'));
  expect((await first.get('a/b')).toString()).toBe('one');

  await makeBucket('second-secret');
  await server.kill();
  await server.restart();
  const second = await createS3Store(`s3://${BUCKET}/store`, { env: envOf('second-secret') });
  const keys: string[] = [];
  for await (const { key } of second.list('a/')) keys.push(key);
  expect(keys).toEqual(['a/b']);
  await second.remove('a/b');
  expect(await second.head('a/b')).toBeUndefined();
});

test('it may make, fill or look into no other bucket, and neither remove its own nor change who may what', async () => {
  await makeBucket('second-secret');
  const client = new S3Client({
    endpoint: server.endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: 'worker', secretAccessKey: 'second-secret' },
  });
  const policy = JSON.stringify({
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Principal: '*', Action: 's3:*', Resource: `arn:aws:s3:::${BUCKET}/*` }],
  });
  const forbidden = [
    () => client.send(new CreateBucketCommand({ Bucket: 'another' })),
    () => client.send(new DeleteBucketCommand({ Bucket: BUCKET })),
    () => client.send(new PutBucketAclCommand({ Bucket: BUCKET, ACL: 'public-read' })),
    () => client.send(new PutBucketPolicyCommand({ Bucket: BUCKET, Policy: policy })),
    () => client.send(new ListObjectsV2Command({ Bucket: server.bucket })),
    () => client.send(new PutObjectCommand({ Bucket: server.bucket, Key: 'x', Body: 'x' })),
  ];
  const names = await Promise.all(
    forbidden.map(request =>
      request().then(
        () => 'allowed',
        (error: Error) => error.name,
      ),
    ),
  );
  client.destroy();
  expect(names).toEqual(forbidden.map(() => 'AccessDenied'));
});
