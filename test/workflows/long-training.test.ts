/** A training that is too long for one history goes on in the next, and comes to the same. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TASK_QUEUE } from '../../workflows/ids.ts';
import type { Progress } from '../../workflows/progress.ts';
import { eventually } from '../support/command.ts';
import { startSimulation } from './simulation.ts';

const SEGMENTS = 60;
const asked: { segment: number; previous: string | null; drop?: string[] }[] = [];
let world: Awaited<ReturnType<typeof startSimulation>>;

beforeAll(async () => {
  // Usually 4,096.
  const shortHistories = ['--dynamic-config-value', 'limit.historyCount.suggestContinueAsNew=100'];
  world = await startSimulation(
    {
      ...{ epochs: SEGMENTS / 3, segmentsPerEpoch: 3 },
      onSegment: args => {
        asked.push(args);
      },
    },
    {},
    shortHistories,
  );
});
afterAll(() => world.close());

test('each segment once, after the one before, and what is said to it is heard in any history', async () => {
  const { workflow } = world.client;
  const handle = await workflow.start('retinopathyPipeline', {
    ...{ workflowId: 'long', taskQueue: TASK_QUEUE, args: [{ training: { layout: 'four-heads' } }] },
  });
  const child = workflow.getHandle('long/train-four-heads');
  await eventually('a second history', 40, async () => {
    const { raw } = await child.describe().catch(() => ({ raw: undefined }));
    const { execution, firstRunId } = raw?.workflowExecutionInfo ?? {};
    return execution?.runId !== firstRunId;
  });
  await handle.executeUpdate('extend', { args: [1] } as object);
  await handle.result();
  expect(asked.map(({ segment }) => segment)).toEqual(Array.from({ length: SEGMENTS + 3 }, (_, n) => n));
  const keys = asked.map(({ segment }) => segment.toString(16).padStart(16, '0'));
  expect(asked.map(({ previous }) => previous)).toEqual([null, ...keys.slice(0, -1)]);
  // Every snapshot is removed once, but the last two and the best.
  const dropped = asked.flatMap(({ drop = [] }) => drop);
  expect(new Set(dropped).size).toBe(dropped.length);
  const { splits } = await handle.query<Progress, []>('progress');
  expect(splits[0]).toMatchObject({ epoch: SEGMENTS / 3 + 1, segmentsTrained: SEGMENTS + 3 });
  expect(splits[0]!.curve).toHaveLength(SEGMENTS / 3 + 1);
});
