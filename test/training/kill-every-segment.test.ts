/** A worker that is killed in every segment, whose folder then goes on elsewhere as if on another machine: the same weights to the byte. */
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { WorkflowHandle } from '@temporalio/client';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { findTemporalCli } from '../../lib/tools/temporal-cli.ts';
import { createFileStore } from '../../storage/file.ts';
import { TASK_QUEUE } from '../../workflows/ids.ts';
import type { TrainResult } from '../../workflows/training.ts';
import { eventually, retinopathy } from '../support/command.ts';
import { processesMentioning } from '../support/processes.ts';
import { LABEL, labelStage, prepareStage, tinyInput } from './prepared.ts';
import { segmentsOf, type TrainingWorld, trainingWorld, weightsOf } from './world.ts';

/** Each kill costs a heartbeat timeout. `chain-of-segments.test.ts` has the short form, in which Caffe alone is killed. */
const LONG = Boolean(process.env.RETINOPATHY_LONG);
/** Segments long enough to be met in their middle. */
const input = tinyInput({ epochs: 3, batch: 2 });
const PATIENTS = 30;

let world: TrainingWorld;
let away: TestWorkflowEnvironment;

beforeAll(async () => {
  if (!LONG) return;
  world = await trainingWorld();
  await labelStage(world.services, await prepareStage(world.services.store, PATIENTS), input);
  const server = { executable: { type: 'existing-path', path: (await findTemporalCli()).path } } as const;
  away = await TestWorkflowEnvironment.createLocal({ server });
});

afterAll(async () => {
  await away?.teardown();
  await world?.close();
});

/** The activity that trains a segment and has got on, if it is none of those given. */
async function midway(handle: WorkflowHandle, but: ReadonlySet<string>): Promise<string | undefined> {
  const { raw } = await handle.describe();
  const training = raw.pendingActivities?.find(({ activityType }) => activityType?.name === 'trainSegment');
  const id = training?.activityId ?? '';
  return training?.attempt === 1 && training.heartbeatDetails && !but.has(id) ? id : undefined;
}

test.runIf(LONG)(
  'killed in every segment, and once moved',
  async () => {
    await world.useCopy('killed');
    const from = join(world.services.folder, 'killed');
    const to = join(world.services.folder, 'moved', 'elsewhere');
    await world.useCopy('calm', world.services.store);
    const calm = createFileStore(join(world.services.folder, 'calm'));
    await world.train('calm', input);
    const segments = await segmentsOf(calm);

    let folder = from;
    const start = (role: string) =>
      retinopathy(['worker', role], {
        TEMPORAL_ADDRESS: away.address,
        RETINOPATHY_STORE: `file:${folder}`,
        RETINOPATHY_SCRATCH: join(folder, '..', `scratch-${folder === from ? 1 : 2}`),
        RETINOPATHY_SLOTS: '1',
      });
    const [workflows, cpu] = [start('workflow'), start('cpu')];
    const handle = await away.client.workflow.start('trainNetwork', {
      workflowId: 'killed/train-01-vs-234',
      taskQueue: TASK_QUEUE,
      args: [{ run: 'killed', input, heads: [1], upstream: { label: LABEL.split('/').at(-1)! } }],
    });

    const killed = new Set<string>();
    let others = [workflows, cpu];
    while (killed.size < segments.length) {
      const gpu = start('gpu');
      const segment = await eventually(
        () => `a segment under way (${gpu.output()})`,
        60,
        () => midway(handle, killed),
      );
      gpu.killGroup('SIGKILL');
      await gpu.exited;
      killed.add(segment);
      if (killed.size === segments.length / 2) {
        // Nothing of the old machine goes on, and nothing is where it was.
        for (const other of others) other.killGroup('SIGKILL');
        await Promise.all(others.map(({ exited }) => exited));
        await eventually('nothing left running', 20, async () => (await processesMentioning(from)).length === 0);
        await createFileStore(join(to, '..')).check();
        await rename(from, to);
        folder = to;
        others = [start('workflow'), start('cpu')];
      }
    }
    const last = start('gpu');
    const result = (await handle.result()) as TrainResult;
    for (const worker of [last, ...others]) worker.killGroup('SIGTERM');
    await Promise.all([last, ...others].map(({ exited }) => exited));

    const moved = createFileStore(to);
    expect(await segmentsOf(moved)).toEqual(segments);
    for (const segment of segments.slice(-2))
      expect(await weightsOf(moved, segment)).toBe(await weightsOf(calm, segment));
    expect(result.splits[0]!.lost.attempts).toBe(segments.length);
  },
  300_000,
);
