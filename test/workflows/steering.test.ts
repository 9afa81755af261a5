/** What is asked of a run reaches every stage, whenever that is started. */
import { ApplicationFailure } from '@temporalio/activity';
import type { WorkflowHandle } from '@temporalio/client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { OpenStageArgs } from '../../activities/run/types.ts';
import type { ScoreArgs } from '../../activities/training/types.ts';
import { TASK_QUEUE } from '../../workflows/ids.ts';
import type { Progress } from '../../workflows/progress.ts';
import { eventually } from '../support/command.ts';
import { simulatedRuns, startSimulation } from './simulation.ts';

let world: Awaited<ReturnType<typeof startSimulation>>;
/** What waits in a segment, and in the regression. */
let gate: Promise<unknown> = Promise.resolve();
let segments = 0;
const reported: string[] = [];
const scored: string[] = [];

beforeAll(async () => {
  world = await startSimulation(
    {
      ...{ epochs: 3, segmentsPerEpoch: 1 },
      onSegment: ({ segment }) => {
        segments++;
        return segment === 1 ? gate : undefined;
      },
    },
    {
      async openStage(args: OpenStageArgs) {
        const opened = await simulatedRuns.openStage(args);
        return args.stage === 'regress' ? { ...opened, finished: null } : opened;
      },
      async fitRegression() {
        await gate;
        return { lists: {}, qwk: null, baselineQwk: null, auc: [], eyes: 1 };
      },
      async writeReport({ run }: { run: string }) {
        reported.push(run);
        return { folder: `runs/${run}/report/`, files: {} };
      },
      // The first try of a training finds that the store has lost what another stage had made.
      async scoreImages({ run }: ScoreArgs) {
        scored.push(run);
        if (run.startsWith('again') && scored.filter(each => each === run).length === 1) {
          const details = [[{ stage: 'label', key: 'label' }]];
          throw ApplicationFailure.create({ type: 'CorruptObject', message: 'lost', nonRetryable: true, details });
        }
        return { scores: { key: 'scores.csv', size: 1, crc32c: 1 }, records: 1, seconds: 1 };
      },
    },
  );
});
afterAll(() => world.close());

const start = (workflowId: string, training = {}): Promise<WorkflowHandle> =>
  world.client.workflow.start('retinopathyPipeline', { workflowId, taskQueue: TASK_QUEUE, args: [{ training }] });
const progressOf = (handle: WorkflowHandle) => handle.query<Progress, []>('progress');

function hold(): () => void {
  let open = () => {};
  gate = new Promise<void>(resolve => {
    open = resolve;
  });
  return open;
}

/** Runs a training of four heads, and asks in its second epoch. */
async function inSecondEpoch(run: string, ask: (handle: WorkflowHandle) => Promise<unknown>): Promise<Progress> {
  const open = hold();
  segments = 0;
  const handle = await start(run, { layout: 'four-heads' });
  await eventually('the second segment', 40, () => segments === 2);
  await ask(handle);
  open();
  await handle.result();
  return progressOf(handle);
}

test.each([
  ['an extension', 'extend', [2], 5],
  ['the end of a training', 'stopEarly', [], 2],
])('%s holds for a training that is made again', async (_, name, args, epochs) => {
  const run = `again-${name}`;
  const { splits, stages } = await inSecondEpoch(run, handle => handle.executeUpdate(name, { args } as object));
  expect(scored.filter(each => each === run)).toHaveLength(2);
  expect(splits.map(({ epoch }) => epoch)).toEqual([epochs, epochs, epochs, epochs]);
  expect(stages.train).toMatchObject({ done: 4 * epochs, of: 4 * epochs });
});

test('an extension counts only the epochs of those that take it', async () => {
  const { stages } = await inSecondEpoch('stopped', async handle => {
    await handle.executeUpdate('stopEarly');
    await handle.executeUpdate('extend', { args: [2] });
  });
  expect(stages.train).toMatchObject({ done: 8, of: 8 });
});

test('a pause holds the report up', async () => {
  const open = hold();
  segments = 0;
  const handle = await start('paused', { layout: 'four-heads' });
  await eventually('the second segment', 40, () => segments === 2);
  open();
  const regress = hold();
  await eventually('the regression', 40, async () => (await progressOf(handle)).stages.regress.state === 'running');
  await handle.executeUpdate('pause');
  regress();
  const child = world.client.workflow.getHandle('paused/regress');
  await eventually('what runs to end', 40, async () => {
    // On a busy machine it may not be started yet.
    const described = await child.describe().catch(() => undefined);
    return described && !described.raw.pendingWorkflowTask && !described.raw.pendingActivities?.length;
  });
  expect(reported).not.toContain('paused');
  await handle.executeUpdate('resume');
  await handle.result();
  expect(reported).toContain('paused');
});
