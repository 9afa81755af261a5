/** The whole job on a store in S3, whose server is killed and comes back in the middle: the same report as on a folder. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createS3Store } from '../../storage/s3.ts';
import type { ArtifactStore } from '../../storage/store.ts';
import { eventually, npmStart, retinopathy } from '../support/command.ts';
import { withoutTimes } from '../support/curves.ts';
import { processesMentioning } from '../support/processes.ts';
import { type S3Server, startS3 } from '../support/s3/s3.ts';
import { TINY_OPTIONS } from '../support/tiny.ts';

/** Long enough for everything that is under way to fail. */
const AWAY_MS = 8_000;

describe.runIf(process.env.RETINOPATHY_LONG)('a run on S3', () => {
  let folder: string;
  let server: S3Server;
  let store: ArtifactStore;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'on-s3-'));
    server = await startS3();
    store = await createS3Store(server.url, { env: server.env });
  });
  afterAll(async () => {
    await server?.close();
    await rm(folder, { recursive: true, force: true });
  });

  const start = (out: string, ...more: string[]) =>
    npmStart(['--out', out, '--store', server.url, ...TINY_OPTIONS, ...more], server.env);
  const keys = async (prefix: string, pattern: RegExp) => {
    const found: string[] = [];
    for await (const { key } of store.list(prefix)) if (pattern.test(key)) found.push(key);
    return found;
  };
  const metricsOf = async (report: string) => {
    const { work: _, ...rest } = JSON.parse(await readFile(join(report, 'metrics.json'), 'utf8'));
    return rest;
  };

  it('comes to the same report, and everything else works on it as well', async () => {
    const onFolder = join(folder, 'folder');
    const calm = npmStart(['--out', onFolder, ...TINY_OPTIONS]);
    expect(await calm.exited, calm.output()).toEqual({ code: 0, signal: null });

    const out = join(folder, 'out');
    const command = start(out);
    await eventually(
      () => `training (${command.output()})`,
      150,
      async () => {
        return (await keys('stages/segment/', /manifest\.json$/)).length > 0;
      },
    );
    await server.kill();
    await new Promise(resolve => setTimeout(resolve, AWAY_MS));
    await server.restart();
    expect(await command.exited, command.output()).toEqual({ code: 0, signal: null });
    expect(await metricsOf(join(out, 'report'))).toEqual(await metricsOf(join(onFolder, 'report')));
    const table = (of: string, file: string) => readFile(join(of, 'report', file), 'utf8');
    expect(await table(out, 'predictions.csv')).toBe(await table(onFolder, 'predictions.csv'));
    expect(withoutTimes(await table(out, 'curves.csv'))).toBe(withoutTimes(await table(onFolder, 'curves.csv')));
    expect(await readdir(out)).not.toContain('store');
    expect(command.output()).not.toContain(server.env.AWS_SECRET_ACCESS_KEY);
    const logs = await readdir(join(out, 'logs'));
    for (const log of logs) {
      expect(await readFile(join(out, 'logs', log), 'utf8')).not.toContain(server.env.AWS_SECRET_ACCESS_KEY);
    }

    const again = start(out);
    expect(await again.exited, again.output()).toEqual({ code: 0, signal: null });
    expect(again.output()).toContain('Finished before');

    // On another machine all of it is there.
    const elsewhere = start(join(folder, 'elsewhere'));
    expect(await elsewhere.exited, elsewhere.output()).toEqual({ code: 0, signal: null });
    expect(elsewhere.output()).toMatch(/0 segments trained, 16 found/);

    const [run] = (await keys('runs/', /run\.json$/)).map(key => key.split('/')[1]);
    const report = retinopathy(['report', run!, '--to', join(folder, 'copy'), '--store', server.url], server.env);
    expect(await report.exited, report.output()).toEqual({ code: 0, signal: null });
    expect(await readdir(join(folder, 'copy'))).toContain('report.html');

    const fresh = start(join(folder, 'fresh'), '--fresh', '--until', 'download');
    expect(await fresh.exited, fresh.output()).toEqual({ code: 0, signal: null });
    const beside = await readdir(server.folder);
    expect(beside.filter(name => name.startsWith('store-fresh-'))).toHaveLength(1);
    const inStore = await readdir(join(server.folder, 'store'));
    expect(inStore.sort()).toEqual(['archives', 'latest', 'runs', 'stages', 'store.json']);
  }, 600_000);

  it('is not begun while the store is away', async () => {
    await server.kill();
    const out = join(folder, 'away');
    const command = start(out);
    expect((await command.exited).code).toBe(1);
    expect(command.output().trim()).toMatch(/^retinopathy: Expected http.* got ECONNREFUSED: check the network.*$/);
    expect(await processesMentioning(out)).toEqual([]);
    await server.restart();
  }, 60_000);
});
