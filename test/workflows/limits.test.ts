/** What has no end of its own has a limit, and one line that says so. */
import { fileURLToPath } from 'node:url';
import { Worker } from '@temporalio/worker';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { OpenStageArgs } from '../../activities/run/types.ts';
import { TASK_QUEUE } from '../../workflows/ids.ts';
import { simulatedRuns, startSimulation } from './simulation.ts';
import { failureOf } from './world.ts';

let world: Awaited<ReturnType<typeof startSimulation>>;

beforeAll(async () => {
  world = await startSimulation(
    { epochs: 1, segmentsPerEpoch: 1 },
    {
      async openStage(args: OpenStageArgs) {
        const opened = await simulatedRuns.openStage(args);
        return args.name === 'prepare' ? { ...opened, finished: null } : opened;
      },
      async openArchive() {
        return {
          directory: { key: 'd', size: 1, crc32c: 1 },
          pictures: 100_000,
          shards: 100_000,
          ignored: 0,
          bytes: 1,
        };
      },
    },
  );
});
afterAll(() => world.close());

const start = (type: string, workflowId: string, args: object) =>
  world.client.workflow.start(type, { workflowId, taskQueue: TASK_QUEUE, args: [args] });

test('an activity that runs out of its time again and again', async () => {
  let tries = 0;
  const workflowsPath = fileURLToPath(new URL('./slow-workflow.ts', import.meta.url));
  const worker = await Worker.create({
    ...{ connection: world.connection, taskQueue: 'slow', workflowsPath },
    activities: {
      async readRun() {
        tries++;
        await new Promise(resolve => setTimeout(resolve, 1000));
      },
    },
  });
  const handle = await world.client.workflow.start('slow', { workflowId: 'slow', taskQueue: 'slow' });
  expect(await worker.runUntil(failureOf(handle))).toBe(
    "Expected readRun to end within 200ms, got no end in 10 tries: look at the store, and at what else its worker's machine does",
  );
  expect(tries).toBe(10);
});

test('shards of one picture each', async () => {
  const handle = await start('prepareImages', 'small', {
    ...{ run: 'small', input: { images: { shardSize: 1 } }, upstream: { download: 'd' } },
  });
  expect(await failureOf(handle)).toBe('Expected at most 1500 shards, got 100000: set images.shardSize to 67 or more');
});
