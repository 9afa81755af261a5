/** A whole small run on an S3 server, killed in its download and started again. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createS3Store } from '../../storage/s3.ts';
import { eventually, npmStart } from '../support/command.ts';
import { type S3Server, startS3 } from '../support/s3/s3.ts';
import { TINY_OPTIONS } from '../support/tiny.ts';

// versitygw has a run of its own in the usual tests (test/pipeline/s3.test.ts).
describe.runIf(process.env.RETINOPATHY_TEST_S3)(`a run on ${process.env.RETINOPATHY_TEST_S3}`, () => {
  let folder: string;
  let server: S3Server;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 's3-run-'));
    server = await startS3();
  }, 3_600_000);
  afterAll(async () => {
    await server?.close();
    await rm(folder, { recursive: true, force: true });
  });

  test('killed in its download gives the same predictions as one in a folder', async () => {
    const options = [...TINY_OPTIONS, '--set', 'training.epochs=1'];
    const start = (out: string, ...more: string[]) =>
      npmStart(['--out', join(folder, out), ...options, ...more], server.env);
    const store = await createS3Store(server.url, { env: server.env });

    const killed = start('s3', '--store', server.url);
    await eventually('a chunk of a part', 300, async () => {
      for await (const { key } of store.list('archives/')) if (/\/\d{5}-\w{8}$/.test(key)) return true;
      return undefined;
    });
    killed.killGroup('SIGKILL');
    await killed.exited;
    const again = start('s3', '--store', server.url);
    expect(await again.exited, again.output()).toEqual({ code: 0, signal: null });
    const onFolder = start('folder');
    expect(await onFolder.exited, onFolder.output()).toEqual({ code: 0, signal: null });
    const predictions = (out: string) => readFile(join(folder, out, 'report/predictions.csv'), 'utf8');
    expect(await predictions('s3')).toBe(await predictions('folder'));
  }, 1_200_000);
});
