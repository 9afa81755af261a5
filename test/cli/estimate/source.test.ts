/** What a source says of itself before a run: sizes by its list, eyes by its labels, and not a byte of the archive. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { sourceToCome } from '../../../cli/estimate/source.ts';
import { resolveInput } from '../../../config/resolve.ts';
import { type KaggleServer, type KaggleServerOptions, startKaggleServer } from '../../../synthetic/kaggle/server.ts';
import { noise, served, zipOf } from '../../download/world.ts';
import { retinopathy } from '../../support/command.ts';

const TOKEN = 'KGAT_only-for-this-plan';
const LABELS = `image,level\n${Array.from({ length: 60 }, (_, n) => `${n}_left,${n % 5}\n${n}_right,${n % 5}\n`).join('')}`;

let home: string;
let server: KaggleServer;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'plan-'));
});
afterEach(async () => {
  await server?.close();
  await rm(home, { recursive: true, force: true });
});

async function serve(options: Partial<KaggleServerOptions> = {}) {
  const labels = served('trainLabels.csv.zip', await zipOf({ 'trainLabels.csv': Buffer.from(LABELS) }, true));
  const files = [
    ...[30_000, 30_000, 7_001].map((size, n) => served(`train.zip.00${n + 1}`, noise(size))),
    ...[labels, served('test.zip.001', noise(9_000))],
  ];
  const asked: string[] = [];
  server = await startKaggleServer({
    ...{ competition: 'diabetic-retinopathy-detection', token: TOKEN, files },
    onStorageRequest: ({ name }) => void asked.push(name),
    ...options,
  });
  const bytes = 67_001 + labels.size;
  const { source, synthetic, archive } = resolveInput({ source: server.url, archive: { parts: 3 } });
  return { bytes, asked, input: { source, synthetic, archive } };
}

const env = (more: NodeJS.ProcessEnv = {}) => ({
  ...{ HOME: home, KAGGLE_API_TOKEN: TOKEN, RETINOPATHY_KAGGLE_HOSTS: '127.0.0.1' },
  ...more,
});
const warn = (message: string) => expect.unreachable(message);

describe('a Kaggle-compatible server', () => {
  test('says by its list and its labels what a run would fetch, exactly', async () => {
    const { bytes, asked, input } = await serve();
    const found = await sourceToCome(input, { env: env(), warn });
    expect(found.fetch).toEqual({ bytes, exact: true, files: 4 });
    expect(found.exact).toBe(true);
    expect(found.eyes).toHaveLength(120);
    expect(found.eyes[5]).toEqual({ image: '2_right', stage: 2 });
    expect(new Set(asked)).toEqual(new Set(['trainLabels.csv.zip']));
  });

  test('that leaves a size out gives a sum that is only about right', async () => {
    const { input } = await serve({
      onApiRequest: ({ method }) =>
        method === 'ListDataFiles'
          ? {
              headers: { 'content-type': 'application/json' },
              body: JSON.stringify({
                files: ['train.zip.001', 'train.zip.002', 'train.zip.003', 'trainLabels.csv.zip'].map((name, n) => ({
                  name,
                  ...(n > 0 && { totalBytes: 100 }),
                })),
              }),
            }
          : undefined,
    });
    const { fetch, exact } = await sourceToCome(input, { env: env(), warn });
    expect([fetch, exact]).toEqual([{ bytes: 300, exact: false, files: 4 }, true]);
  });

  test('that refuses is quoted, with what to do and without the token', async () => {
    const { input } = await serve({ token: 'KGAT_another' });
    const failure = await sourceToCome(input, { env: env(), warn }).catch((error: Error) => error.message);
    expect(failure).toMatch(/got 401.*create a new token/s);
    expect(failure).not.toContain(TOKEN);
  });
});

test('Kaggle itself, without credentials, is what its listing was known to be: about', async () => {
  const { source, synthetic, archive } = resolveInput({ source: 'kaggle' });
  const found = await sourceToCome({ source, synthetic, archive }, { env: { HOME: home }, warn });
  expect(found).toMatchObject({ fetch: { bytes: 34_988_516_575, exact: false, files: 6 }, exact: false });
  expect(found.eyes).toHaveLength(35_126);
});

test.runIf(process.env.RETINOPATHY_LONG)(
  'the command says so: no `about` where the server knows, and whose hours they are',
  async () => {
    const { bytes, input } = await serve();
    const asked = retinopathy(
      [
        ...['plan', '--source', input.source, '--set', 'archive.parts=3', '--set', 'images.size=64'],
        ...['--set', 'training.batch=16', '--per-gpu-hour', '0.9'],
      ],
      { ...env(), RETINOPATHY_GPUS: 'none', HOME: process.env.HOME },
    );
    const { code } = await asked.exited;
    const said = asked.output();
    expect(code, said).toBe(0);
    expect(said).toMatch(new RegExp(`to fetch +${bytes.toLocaleString('en')} bytes `));
    expect(said).toMatch(/pictures +120 /);
    expect(said).toMatch(/train +.* of a CPU's cores$/m);
    expect(said).toContain("By a probe of this machine's CPU: the hours of training are those of a CPU.");
    expect(said).toMatch(/cards +0\.\d\d USD +at the speed of a CPU/);
  },
  120_000,
);
