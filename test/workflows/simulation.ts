/** Runs on a real server whose activities only pretend: each answers at once what a sound one would. */
import type { Context } from '@temporalio/activity';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import type { ReportArgs } from '../../activities/report/types.ts';
import type { CloseStageArgs, OpenedStage, OpenStageArgs, ResolveInputArgs } from '../../activities/run/types.ts';
import type {
  EvaluatedSnapshot,
  SegmentArgs,
  SegmentResult,
  TrainingActivities,
  TrainingArgs,
} from '../../activities/training/types.ts';
import { resolveInput } from '../../config/resolve.ts';
import { findTemporalCli } from '../../lib/tools/temporal-cli.ts';
import type { Artifact } from '../../storage/store.ts';
import { retryNotice } from '../../workers/retry-limit-interceptor.ts';
import { bundleWorkflows } from '../../workers/workflow-bundle.ts';
import { DOWNLOAD_TASK_QUEUE, GPU_TASK_QUEUE, TASK_QUEUE } from '../../workflows/ids.ts';

const artifact = (key: string): Artifact => ({ key, size: 1, crc32c: 1 });

/** Of runs: all but the trainings is there already. */
export const simulatedRuns = {
  resolveInput: async ({ run, input }: ResolveInputArgs) => ({ run, input: resolveInput(input) }),
  openStage: async ({ stage, name }: OpenStageArgs): Promise<OpenedStage> => ({
    ...{ stage, key: name, prefix: `stages/${stage}/${name}`, reason: 'simulated', openedAt: 0 },
    finished: stage === 'train' ? null : { counts: {}, seconds: 1 },
  }),
  closeStage: async ({ key, stage, recipe, inputs, parameters, outputs, counts }: CloseStageArgs) => ({
    ...{ schemaVersion: 1, key, stage, recipe, inputs, parameters, outputs, counts, seconds: 1 },
  }),
  readManifest: async () => ({ outputs: { 'labels.csv': artifact('labels.csv') } }),
  drawAugmentation: async () => artifact('augmentation.png'),
  writeReport: async ({ run }: ReportArgs) => ({ folder: `runs/${run}/report/`, files: {} }),
  writeProgressPage: async () => {},
};

export interface SimulatedTraining {
  epochs: number;
  segmentsPerEpoch: number;
  /** Awaited before a segment is done. */
  onSegment?: (args: SegmentArgs) => unknown;
  /** Awaited before a training is planned. */
  onPlan?: (args: TrainingArgs) => unknown;
}

export function simulatedTraining({
  epochs,
  segmentsPerEpoch,
  onSegment,
  onPlan,
}: SimulatedTraining): TrainingActivities {
  const segmentOf = (segment: number): SegmentResult => ({
    ...{ segment, key: segment.toString(16).padStart(16, '0'), epoch: Math.floor(segment / segmentsPerEpoch) + 1 },
    ...{ iteration: segment + 1, loss: 0.5, rate: 0.01, seconds: 1, reused: false },
    lost: { attempts: 0, iterations: 0, seconds: 0 },
  });
  const never = async () => Promise.reject(new Error('Expected this not to be called'));
  return {
    planTraining: async args => {
      await onPlan?.(args);
      const iterations = epochs * segmentsPerEpoch;
      return { iterations, epochs, segmentsPerEpoch, origin: 'origin', done: 0 };
    },
    locateSegment: never,
    trainSegment: async args => {
      await onSegment?.(args);
      return segmentOf(args.segment);
    },
    evaluateSnapshot: async ({ epoch, snapshot, heads }): Promise<EvaluatedSnapshot> => ({
      ...{
        epoch,
        snapshot,
        auc: heads.map(() => epoch / 2000),
        accuracy: heads.map(() => 0.5),
        loss: heads.map(() => 0.5),
      },
      training: { records: 1, auc: heads.map(() => 0.5) },
      ...{ attempt: 1, at: '2026-01-01T00:00:00.000Z', seconds: 1, reused: false },
    }),
    scoreImages: async ({ prefix }) => ({ scores: artifact(`${prefix}/scores.csv`), records: 1, seconds: 1 }),
    collectCurves: async ({ prefix }) => ({
      'curves.csv': artifact(`${prefix}/curves.csv`),
      'segments.json': artifact(`${prefix}/segments.json`),
    }),
    findSnapshot: never,
    scoreDatabase: never,
  };
}

/** @param activities in place of those of the simulation */
export async function startSimulation(training: SimulatedTraining, activities: object = {}, extraArgs: string[] = []) {
  Runtime.install({ logger: new DefaultLogger('ERROR') });
  const server = { executable: { type: 'existing-path', path: (await findTemporalCli()).path }, extraArgs } as const;
  const environment = await TestWorkflowEnvironment.createLocal({ server });
  const { nativeConnection: connection } = environment;
  const listFiles = async () => ({ folder: 'archives/a', fingerprint: 'f', parts: [], labels: null });
  const workers = await Promise.all([
    Worker.create({
      ...{ connection, taskQueue: TASK_QUEUE, activities: { ...simulatedRuns, ...activities } },
      workflowBundle: { code: await bundleWorkflows() },
    }),
    Worker.create({
      ...{ connection, taskQueue: DOWNLOAD_TASK_QUEUE, activities: { listFiles, ...activities } },
      interceptors: { activity: [(context: Context) => ({ inbound: retryNotice(context) })] },
    }),
    Worker.create({
      connection,
      taskQueue: GPU_TASK_QUEUE,
      activities: { ...simulatedTraining(training), ...activities },
    }),
  ]);
  const running = Promise.all(workers.map(worker => worker.run()));
  return {
    client: environment.client,
    connection,
    async close() {
      for (const worker of workers) worker.shutdown();
      await running;
      await environment.teardown();
    },
  };
}
