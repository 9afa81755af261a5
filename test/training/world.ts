/** The training workflow on a real Temporal server with real Caffe, over stores that can be exchanged between two runs. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Context } from '@temporalio/activity';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { bundleWorkflowCode, DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { withHeartbeats } from '../../activities/heartbeat.ts';
import { createRunActivities } from '../../activities/run/index.ts';
import type { RunActivities } from '../../activities/run/types.ts';
import { createTrainingActivities } from '../../activities/training/index.ts';
import { readSegment } from '../../activities/training/segment-manifest.ts';
import type { PipelineInput } from '../../config/input.ts';
import { findTemporalCli } from '../../lib/tools/temporal-cli.ts';
import { getArtifact } from '../../storage/artifacts.ts';
import { getJson } from '../../storage/documents.ts';
import { createFileStore } from '../../storage/file.ts';
import type { Manifest } from '../../storage/manifest.ts';
import type { ArtifactStore } from '../../storage/store.ts';
import { failurePolicy } from '../../workers/retry-limit-interceptor.ts';
import { GPU_TASK_QUEUE, TASK_QUEUE, trainingName } from '../../workflows/ids.ts';
import type { TrainResult } from '../../workflows/training.ts';
import { testCaffe } from '../support/caffe.ts';
import { type TestServices, testServices } from '../support/services.ts';
import { LABEL } from './prepared.ts';

export interface TrainingWorld {
  services: TestServices;
  environment: TestWorkflowEnvironment;
  /** Makes a copy of a store, or of the one that is in use, and uses it from now on. */
  useCopy(name: string, from?: ArtifactStore): Promise<ArtifactStore>;
  /** Runs `trainNetwork` to its end; without more for the split 1, on its own. */
  train(run: string, input: PipelineInput, more?: { heads?: number[] }): Promise<TrainResult>;
  close(): Promise<void>;
}

/** @param slots GPU activities at once */
export async function trainingWorld({ slots = 2, caffe = testCaffe } = {}): Promise<TrainingWorld> {
  Runtime.install({ logger: new DefaultLogger('ERROR') });
  const services = await testServices({ caffe });
  let current = services.store;
  // Activities take their store when the worker is made.
  const store = new Proxy({} as ArtifactStore, { get: (_, name: keyof ArtifactStore) => current[name] });
  const server = { executable: { type: 'existing-path', path: (await findTemporalCli()).path } } as const;
  const environment = await TestWorkflowEnvironment.createLocal({ server });
  const workflowBundle = await bundleWorkflowCode({
    workflowsPath: fileURLToPath(new URL('../../workflows/index.ts', import.meta.url)),
    logger: new DefaultLogger('ERROR'),
  });
  const { nativeConnection: connection } = environment;
  const interceptors = { activity: [(context: Context) => ({ inbound: failurePolicy(context) })] };
  const own = { ...services, store };
  const workers = await Promise.all([
    Worker.create({
      ...{ connection, taskQueue: TASK_QUEUE, workflowBundle, interceptors },
      activities: withHeartbeats<RunActivities>(createRunActivities(own)),
    }),
    Worker.create({
      ...{ connection, taskQueue: GPU_TASK_QUEUE, interceptors, maxConcurrentActivityTaskExecutions: slots },
      activities: createTrainingActivities(own),
    }),
  ]);
  const running = Promise.all(workers.map(worker => worker.run()));
  return {
    services,
    environment,
    async useCopy(name, from = current) {
      const folder = join(services.folder, name);
      await promisify(execFile)('cp', ['-r', from.url.replace(/^file:/, ''), folder]);
      current = createFileStore(folder);
      return current;
    },
    train: (run, input, { heads = [1] } = {}) =>
      environment.client.workflow.execute('trainNetwork', {
        workflowId: `${run}/${trainingName(heads)}`,
        taskQueue: TASK_QUEUE,
        args: [{ run, input, heads, upstream: { label: LABEL.split('/').at(-1)! } }],
      }),
    async close() {
      for (const worker of workers) worker.shutdown();
      await running;
      await environment.teardown();
      await services.close();
    },
  };
}

/** Keys of the segments behind a snapshot, the first one first. */
export async function chainOf(store: ArtifactStore, last: string): Promise<string[]> {
  const { inputs } = (await getJson<Manifest>(store, `stages/segment/${last}/manifest.json`))!;
  return inputs.previous === undefined ? [last] : [...(await chainOf(store, inputs.previous)), last];
}

/** All segments in the store, in order. */
export async function segmentsOf(store: ArtifactStore): Promise<string[]> {
  const manifests: Manifest[] = [];
  for await (const { key } of store.list('stages/segment/'))
    if (key.endsWith('/manifest.json')) manifests.push((await getJson<Manifest>(store, key))!);
  return manifests.sort((a, b) => a.counts.segment! - b.counts.segment!).map(({ key }) => key);
}

/** SHA-256 of a segment's caffemodel. */
export async function weightsOf(store: ArtifactStore, key: string): Promise<string> {
  const { model } = (await readSegment(store, key))!;
  return createHash('sha256')
    .update(await getArtifact(store, model))
    .digest('hex');
}

/** The segments whose pairs are in the store. */
export async function pairsOf(store: ArtifactStore): Promise<string[]> {
  const files = new Map<string, number>();
  for await (const { key } of store.list('stages/segment/')) {
    const segment = key.split('/')[2]!;
    if (/\.(caffemodel|solverstate)$/.test(key)) files.set(segment, (files.get(segment) ?? 0) + 1);
  }
  return [...files].filter(([, count]) => count === 2).map(([segment]) => segment);
}
