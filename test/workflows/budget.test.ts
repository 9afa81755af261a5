/** The budget: no more is spent than the limit, and whoever can be paid goes on. */
import type { WorkflowHandle } from '@temporalio/client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TASK_QUEUE } from '../../workflows/ids.ts';
import type { Progress } from '../../workflows/progress.ts';
import type { SteeringAnswer } from '../../workflows/signals.ts';
import { eventually } from '../support/command.ts';
import { startSimulation } from './simulation.ts';

let world: Awaited<ReturnType<typeof startSimulation>>;
/** Segments that were trained, by run: each takes a second of a card, as each judging and scoring does. */
const segments = new Map<string, number>();

beforeAll(async () => {
  world = await startSimulation({
    ...{ epochs: 4, segmentsPerEpoch: 2 },
    onSegment: ({ run }) => segments.set(run, (segments.get(run) ?? 0) + 1),
  });
});
afterAll(() => world.close());

const start = (workflowId: string, limit: number, training = {}): Promise<WorkflowHandle> =>
  world.client.workflow.start('retinopathyPipeline', {
    ...{ workflowId, taskQueue: TASK_QUEUE },
    args: [{ training, budget: { currency: 'EUR', perGpuHour: 3600, limit } }],
  });
const progressOf = (handle: WorkflowHandle) => handle.query<Progress, []>('progress');
const raise = (handle: WorkflowHandle, limit: number) =>
  handle.executeUpdate<SteeringAnswer, [number]>('raiseBudget', { args: [limit] });

/** Nothing runs, and nothing is about to. */
async function stopped(handle: WorkflowHandle): Promise<Progress> {
  return eventually('the budget to pause the run', 40, async () => {
    const progress = await progressOf(handle);
    const idle = (await handle.describe()).raw.pendingActivities?.length ?? 0;
    return progress.state === 'paused' && idle === 0 && progress;
  });
}

test('pauses the run before the limit, and goes on where it is raised', async () => {
  // An epoch costs 3 s, and four are trained at once.
  const handle = await start('four', 31);
  const first = await stopped(handle);
  expect(first.budget!.spent).toBeGreaterThan(12);
  expect(first.budget!.spent).toBeLessThanOrEqual(31);
  expect(first.budget!.waiting.length).toBeGreaterThan(0);
  expect(segments.get('four')).toBeLessThanOrEqual(31);

  await expect(handle.executeUpdate('resume')).rejects.toMatchObject({
    cause: { message: 'Refused: what comes next would cost more than 31 EUR: raiseBudget goes on' },
  });
  await expect(handle.executeUpdate('pause')).rejects.toMatchObject({
    cause: { message: 'Refused: it is paused already' },
  });
  await expect(raise(handle, 1)).rejects.toMatchObject({
    cause: { message: expect.stringMatching(/^Refused: 1 EUR are less than the .* that are spent$/) },
  });
  expect((await raise(handle, 31.5)).plan).toMatch(/^the limit is 31.5 EUR: \d trainings still wait for more$/);
  expect(await raise(handle, 1000)).toEqual({ state: 'running', plan: 'the limit is 1000 EUR: going on' });
  const { report } = await handle.result();
  expect(report).toBe('runs/four/report/');
  // 4 × 4 epochs, and four scorings.
  expect(await progressOf(handle)).toMatchObject({ budget: { spent: 4 * (4 * 3 + 1), waiting: [] } });
});

test('leaves a run paused that a person has paused', async () => {
  const handle = await start('by-hand', 1000, { layout: 'four-heads' });
  await eventually('the training to begin', 40, async () => (await progressOf(handle)).splits.length > 0);
  await handle.executeUpdate('pause');
  expect((await raise(handle, 2000)).state).toBe('paused');
  expect((await progressOf(handle)).state).toBe('paused');
  await handle.executeUpdate('resume');
  await handle.result();
});

test('lets a training be scored that was stopped for want of money', async () => {
  // After two epochs the third would be too much, but not the scoring.
  const handle = await start('stopped', 8, { layout: 'four-heads' });
  await stopped(handle);
  await handle.executeUpdate('stopEarly');
  await handle.result();
  const { budget, splits } = await progressOf(handle);
  expect(splits[0]!.epoch).toBe(2);
  expect(budget).toMatchObject({ spent: 7, waiting: [] });
});
