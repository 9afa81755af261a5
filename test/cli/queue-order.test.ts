/** The embedded server hands tasks out in their order: with fewer cards than splits these advance in turn, a segment each. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { expect, test } from 'vitest';
import { startEmbedded } from '../../cli/local/local-cluster.ts';
import { choosePort } from '../../cli/local/ports.ts';
import { openOutFolder } from '../../cli/local/run-dir.ts';
import { resolveInput } from '../../config/resolve.ts';
import { findTemporalCli } from '../../lib/tools/temporal-cli.ts';
import { bundleWorkflows } from '../../workers/workflow-bundle.ts';
import { GPU_TASK_QUEUE, TASK_QUEUE, trainingName } from '../../workflows/ids.ts';
import { eventually } from '../support/command.ts';
import { simulatedRuns, simulatedTraining } from '../workflows/simulation.ts';

const SPLITS = [[0], [1], [2], [3]];
const SEGMENTS = 12;

test('one slot for four splits: after any time their finished segments differ by at most one', async () => {
  Runtime.install({ logger: new DefaultLogger('ERROR') });
  const out = await openOutFolder(await mkdtemp(join(tmpdir(), 'queue-order-')));
  const [port, uiPort] = [await choosePort(undefined, 0, ''), await choosePort(undefined, 0, '')];
  const temporal = (await findTemporalCli({ env: process.env })).path;
  const embedded = await startEmbedded({ temporal, out, port, uiPort, store: `file:${out.path}/store` });
  const connection = await NativeConnection.connect({ address: embedded.address });
  const finished: string[] = [];
  /** Whether a training waits for the GPU, or has ended. */
  const hasTask = async (heads: number[]) => {
    const handle = embedded.client.workflow.getHandle(`order/${trainingName(heads)}`);
    const { raw, status } = await handle.describe();
    return status.name !== 'RUNNING' || (raw.pendingActivities ?? []).length > 0;
  };
  const training = simulatedTraining({
    ...{ epochs: 4, segmentsPerEpoch: SEGMENTS / 4 },
    onSegment: async ({ name }) => {
      await eventually('every other training to have its next task in the queue', 60, async () =>
        (await Promise.all(SPLITS.map(hasTask))).every(Boolean),
      );
      finished.push(name);
    },
  });
  const workers = await Promise.all([
    Worker.create({
      ...{ connection, taskQueue: TASK_QUEUE, activities: simulatedRuns },
      workflowBundle: { code: await bundleWorkflows() },
    }),
    Worker.create({
      ...{ connection, taskQueue: GPU_TASK_QUEUE, activities: training, maxConcurrentActivityTaskExecutions: 1 },
    }),
  ]);
  const running = Promise.all(workers.map(worker => worker.run()));
  try {
    const input = resolveInput({});
    await Promise.all(
      SPLITS.map(heads =>
        embedded.client.workflow.execute('trainNetwork', {
          ...{ workflowId: `order/${trainingName(heads)}`, taskQueue: TASK_QUEUE },
          args: [{ run: 'order', input, heads, upstream: { label: 'label' } }],
        }),
      ),
    );
  } finally {
    for (const worker of workers) worker.shutdown();
    await running;
    await connection.close();
    await embedded.stop();
    out.release();
    await rm(out.path, { recursive: true, force: true });
  }

  expect(finished).toHaveLength(SEGMENTS * SPLITS.length);
  const counts = new Map(SPLITS.map(heads => [trainingName(heads), 0]));
  for (const name of finished) {
    counts.set(name, counts.get(name)! + 1);
    const all = [...counts.values()];
    expect(Math.max(...all) - Math.min(...all), finished.join()).toBeLessThanOrEqual(1);
  }
}, 300_000);
