import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { environmentOf, startEmbedded } from '../../cli/local/local-cluster.ts';
import { choosePort } from '../../cli/local/ports.ts';
import { type OutFolder, openOutFolder } from '../../cli/local/run-dir.ts';
import { findTemporalCli } from '../../lib/tools/temporal-cli.ts';

test('Kaggle’s credentials reach the worker that downloads, and no other process', () => {
  const secrets = { KAGGLE_API_TOKEN: 'a', KAGGLE_USERNAME: 'b', KAGGLE_KEY: 'c' };
  const env = { ...secrets, RETINOPATHY_KAGGLE_HOSTS: 'example.org', PATH: '/bin' };
  expect(environmentOf('cpu', env)).toEqual(env);
  for (const role of ['server', 'workflow', 'gpu'] as const) {
    expect(environmentOf(role, env)).toEqual({ RETINOPATHY_KAGGLE_HOSTS: 'example.org', PATH: '/bin' });
  }
});

describe('what would fail again is started once', () => {
  let out: OutFolder;
  beforeEach(async () => {
    out = await openOutFolder(await mkdtemp(join(tmpdir(), 'embedded-')));
  });
  afterEach(async () => {
    out.release();
    await rm(out.path, { recursive: true, force: true });
  });
  const logged = async (name: string) => (await readFile(join(out.logs, `${name}.log`), 'utf8')).trim().split('\n');

  test('a server that ends before it answers', async () => {
    const temporal = join(out.path, 'temporal');
    await writeFile(temporal, '#!/bin/sh\necho \'level=ERROR msg="no such luck"\' >&2\nexit 3\n', { mode: 0o755 });
    const started = startEmbedded({ temporal, out, port: 1, uiPort: 2, store: `file:${out.path}/store` });
    await expect(started).rejects.toThrow(
      `Expected Temporal's server to start, got: no such luck (${out.logs}/server.log)`,
    );
    expect(await logged('server')).toHaveLength(1);
  });

  test('a worker whose store cannot be written', async () => {
    const store = `file:${out.path}/file/store`;
    await writeFile(join(out.path, 'file'), '');
    const [port, uiPort] = [await choosePort(undefined, 0, ''), await choosePort(undefined, 0, '')];
    const temporal = (await findTemporalCli({ env: process.env })).path;
    const embedded = await startEmbedded({ temporal, out, port, uiPort, store });
    try {
      const line = `Expected the store ${store} to be a folder that can be written, got ENOTDIR: `;
      await expect(embedded.startWorkers(['cpu'])).rejects.toThrow(line);
      expect((await logged('worker-cpu')).filter(each => each.includes(line))).toHaveLength(1);
    } finally {
      await embedded.stop();
    }
  }, 240_000);
});
