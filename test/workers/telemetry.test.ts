/** A real run, watched from outside: what its workers measure, log and answer, and that no secret is in it. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MEASURES } from '../../activities/metrics.ts';
import { READY_LINE } from '../../workers/roles.ts';
import { TINY } from '../support/tiny.ts';
import { startWatched, type Watched, type WatchedWorker } from '../support/watched.ts';
import { readDashboard, readRules, seriesIn } from '../support/watching-files.ts';

const RUN = 'watched';
const TOKEN = 'KGAT_5e0c94d1b7aa4f22';
const KEY = '77f2b9e41c0d4a9e8e15';
/** Prometheus's own. */
const NOT_OURS = ['up', 'ALERTS'];

let world: Watched;
let workers: Record<string, WatchedWorker>;
/** Lines of `GET /metrics`, of all workers. */
let samples: string[];

beforeAll(async () => {
  world = await startWatched();
  const started = await world.startWorkers({
    ...{ KAGGLE_API_TOKEN: TOKEN, KAGGLE_USERNAME: 'reader', KAGGLE_KEY: KEY },
    ...{ AWS_MAX_ATTEMPTS: '1', RETINOPATHY_LOG_LEVEL: 'debug' },
  });
  workers = Object.fromEntries(started.map(worker => [worker.role, worker]));
  await world.environment.client.workflow.execute('retinopathyPipeline', {
    ...{ taskQueue: 'retinopathy', workflowId: RUN },
    args: [
      { ...TINY, until: 'train', training: { ...TINY.training, layout: 'four-heads', epochs: 1, segmentsPerEpoch: 1 } },
    ],
  });
  await scrape();
}, 300_000);

afterAll(() => world?.close());

async function scrape(): Promise<void> {
  samples = (await Promise.all(Object.values(workers).map(worker => worker.metrics()))).flatMap(text =>
    text.split('\n'),
  );
}

/** The sum over all series of a name whose labels hold `labels`. */
function sum(name: string, labels = ''): number {
  const found = samples.filter(line => line.startsWith(`${name}{`) && line.includes(labels));
  expect(found, name).not.toEqual([]);
  return found.reduce((total, line) => total + Number(line.split(' ').at(-1)), 0);
}

describe('measures', () => {
  const names = () => new Set(samples.map(line => line.split(/[{ ]/)[0]!));

  test('all of ours are there, and all that the dashboard and the alarms ask for', async () => {
    expect(MEASURES.filter(name => !names().has(name))).toEqual([]);
    const asked = [...(await readDashboard()).expressions, ...(await readRules())].flatMap(seriesIn);
    expect(asked.length).toBeGreaterThan(20);
    expect(asked.filter(name => !names().has(name) && !NOT_OURS.includes(name))).toEqual([]);
  });

  test('they say what was done, of which run and split', () => {
    const run = `run="${RUN}"`;
    expect(sum('retinopathy_prepared_pictures_total', run)).toBe(2 * TINY.synthetic.patients);
    expect(sum('retinopathy_quarantined_pictures_total', run)).toBe(0);
    expect(sum('retinopathy_fetched_bytes_total', run)).toBeGreaterThan(100_000);
    expect(sum('retinopathy_trained_iterations_total', 'split="four-heads"')).toBeGreaterThan(5);
    expect(sum('retinopathy_training_loss', 'split="four-heads"')).toBeGreaterThan(0.1);
    expect(sum('retinopathy_validation_auc', 'k="3"')).toBeLessThanOrEqual(1);
    expect(sum('retinopathy_running_activities', run)).toBe(0);
    expect(sum('retinopathy_last_progress_timestamp_seconds')).toBeGreaterThan(1e9);
    expect(sum('retinopathy_free_bytes', 'place="scratch"')).toBeGreaterThan(0);
  });

  test('they say that every queue is asked for work', async () => {
    const polled = async () => {
      await scrape();
      return samples.filter(line => /^retinopathy_queue_pollers\{.* [1-9]/.test(line)).length;
    };
    await expect.poll(polled, { timeout: 90_000 }).toBe(4);
  });
});

test('logs are lines of JSON', () => {
  for (const worker of Object.values(workers)) {
    expect(worker.lines).toContain(READY_LINE);
    for (const line of worker.lines.filter(one => one !== READY_LINE))
      expect(JSON.parse(line), line).toMatchObject({ role: worker.role, msg: expect.any(String) });
  }
});

test('a worker is ready until the store answers no more, and says so in a line; it lives on', async () => {
  const { workflow, gpu } = workers as { workflow: WatchedWorker; gpu: WatchedWorker };
  expect(await workflow.health('/ready')).toEqual({ status: 200, said: 'ok' });
  await world.s3.kill();
  const { status, said } = await gpu.health('/ready');
  expect({ status, said }).toEqual({
    status: 503,
    said: expect.stringMatching(/^Expected the store to answer, got: .+$/),
  });
  expect(await gpu.health('/live')).toEqual({ status: 200, said: 'ok' });
  // It needs none.
  expect(await workflow.health('/ready')).toEqual({ status: 200, said: 'ok' });
  expect((await gpu.health('/')).status).toBe(404);
});

test('no secret is in what they measure, log and answer', async () => {
  const said = await Promise.all(
    Object.values(workers).map(async worker => [
      worker.lines.join('\n'),
      await worker.metrics(),
      (await worker.health('/ready')).said,
    ]),
  );
  const all = said.flat().join('\n');
  expect(all).toContain('"msg":"worker started"');
  for (const secret of [TOKEN, KEY, world.s3.env.AWS_SECRET_ACCESS_KEY!, world.s3.env.AWS_ACCESS_KEY_ID!]) {
    for (const form of [secret, Buffer.from(secret).toString('base64')]) expect(all.includes(form), form).toBe(false);
  }
});
