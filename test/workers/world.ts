/** A Temporal server with real workers, and a training whose segments last long enough to be disturbed. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { WorkflowHandle } from '@temporalio/client';
import { DefaultLogger, Runtime } from '@temporalio/worker';
import { type FinishedSegment, readSegment } from '../../activities/training/segment-manifest.ts';
import { type Embedded, startEmbedded } from '../../cli/local/local-cluster.ts';
import { choosePort } from '../../cli/local/ports.ts';
import { type OutFolder, openOutFolder } from '../../cli/local/run-dir.ts';
import type { PipelineInput } from '../../config/input.ts';
import { findTemporalCli } from '../../lib/tools/temporal-cli.ts';
import { createFileStore } from '../../storage/file.ts';
import type { ArtifactStore } from '../../storage/store.ts';
import { READY_LINE } from '../../workers/roles.ts';
import { testCaffe } from '../support/caffe.ts';
import { type Command, eventually, retinopathy } from '../support/command.ts';
import { CAFFE_TRAINS, processesMentioning } from '../support/processes.ts';
import { testServices } from '../support/services.ts';
import { LABEL, labelStage, prepareStage, tinyInput } from '../training/prepared.ts';

const SIZE = 128;
const BATCH = 4;

export interface GpuWorker extends Command {
  name: string;
  /** Lines of its log that say `text`. */
  said(text: string): { msg: string; details?: { iteration?: number } }[];
  /** The Caffe that trains for it, if one does. */
  caffe(): Promise<number | undefined>;
  /** Pids of it and of what it has started. */
  processes(): Promise<number[]>;
}

export interface Pending {
  attempt: number;
  id: string;
  /** `trainSegment` */
  type: string;
  /** The worker that has it, or had it last; empty before. */
  worker: string;
  running: boolean;
  failure: string | undefined;
}

export interface Training {
  handle: WorkflowHandle;
  /** What is to be done next. */
  pending(): Promise<Pending | undefined>;
  /** The first segment, when it is stored. */
  trained(seconds: number): Promise<FinishedSegment['result']>;
}

export interface World {
  temporal: string;
  address: string;
  startGpu(name: string, env?: NodeJS.ProcessEnv, args?: readonly string[]): Promise<GpuWorker>;
  /** One segment an epoch. */
  startTraining(id: string, training?: Partial<PipelineInput['training']>): Promise<Training>;
  close(): Promise<void>;
}

/** @param patients 80 of them make segments of about five seconds on a core that has little else to do */
export async function startWorld(patients: number): Promise<World> {
  Runtime.install({ logger: new DefaultLogger('WARN') });
  const folder = await mkdtemp(join(tmpdir(), 'going-away-'));
  const out: OutFolder = await openOutFolder(join(folder, 'out'));
  const temporal = (await findTemporalCli({ env: process.env })).path;
  const storeUrl = `file:${join(out.path, 'store')}`;
  const store = await createFileStore(join(out.path, 'store'));
  const input = await slowInput(folder);
  const [embedded] = await Promise.all([startServer(out, temporal, storeUrl), label(store, patients, input)]);

  return {
    temporal,
    address: embedded.address,
    startGpu: async (name, env = {}, args = []) => {
      const scratch = join(folder, name);
      const command = retinopathy(['worker', 'gpu', ...args], {
        ...{ TEMPORAL_ADDRESS: embedded.address, RETINOPATHY_STORE: storeUrl, RETINOPATHY_SCRATCH: scratch },
        RETINOPATHY_FILES: folder,
        ...{ RETINOPATHY_INSTANCE: name, RETINOPATHY_SLOTS: '1', AWS_EC2_METADATA_DISABLED: 'true' },
        ...env,
      });
      await eventually(
        () => `worker ${name} to be ready (${command.output()})`,
        60,
        () => command.output().includes(READY_LINE),
      );
      return {
        ...command,
        name,
        said: text =>
          command
            .output()
            .split('\n')
            .filter(line => line.startsWith('{') && line.endsWith('}') && line.includes(text))
            .map(line => JSON.parse(line)),
        processes: () => processesMentioning(scratch),
        caffe: async () => (await processesMentioning(scratch, CAFFE_TRAINS))[0],
      };
    },
    startTraining: async (id, training = {}) => {
      const handle = await embedded.client.workflow.start('trainNetwork', {
        workflowId: id,
        taskQueue: 'retinopathy',
        args: [
          {
            ...{ run: id, heads: [1], upstream: { label: LABEL.split('/').at(-1) } },
            input: { ...input, training: { ...input.training, ...training } },
          },
        ],
      });
      return {
        handle,
        pending: () => pendingActivity(handle),
        trained: seconds => eventually(`the segment of ${id} to be stored`, seconds, () => firstSegment(handle, store)),
      };
    },
    close: async () => {
      await embedded.stop();
      out.release();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function startServer(out: OutFolder, temporal: string, store: string): Promise<Embedded> {
  const [port, uiPort] = [await choosePort(undefined, 0, '--port'), await choosePort(undefined, 0, '--ui-port')];
  const embedded = await startEmbedded({ temporal, out, port, uiPort, store });
  await embedded.startWorkers(['workflow', 'cpu']);
  return embedded;
}

async function label(store: ArtifactStore, patients: number, input: PipelineInput): Promise<void> {
  const services = await testServices({ store, caffe: testCaffe });
  await labelStage(services, await prepareStage(store, patients, { size: SIZE }), input);
  await services.close();
}

/** The small network without its first stride: four times the work for the same pictures. */
async function slowInput(folder: string): Promise<PipelineInput> {
  const small = await readFile(new URL('../../config/networks/small.prototxt', import.meta.url), 'utf8');
  const network = join(folder, 'slow.prototxt');
  await writeFile(network, small.replace('pad: 2 stride: 2', 'pad: 2 stride: 1'));
  const input = tinyInput({ network: `file:${network}`, batch: BATCH, epochs: 1, segmentsPerEpoch: 1 });
  return { ...input, images: { ...input.images, size: SIZE } };
}

async function pendingActivity(handle: WorkflowHandle): Promise<Pending | undefined> {
  const { raw } = await handle.describe();
  const found = raw.pendingActivities?.[0];
  if (!found) return undefined;
  return {
    id: found.activityId ?? '',
    type: found.activityType?.name ?? '',
    attempt: found.attempt ?? 0,
    worker: found.lastWorkerIdentity ?? '',
    // PENDING_ACTIVITY_STATE_STARTED
    running: found.state === 2,
    failure: found.lastFailure?.applicationFailureInfo?.type ?? undefined,
  };
}

async function firstSegment(handle: WorkflowHandle, store: ArtifactStore) {
  const { events } = await handle.fetchHistory();
  const done = events?.find(({ activityTaskCompletedEventAttributes: ended }) => {
    const scheduled = events.find(({ eventId }) => eventId?.eq(ended?.scheduledEventId ?? -1));
    return scheduled?.activityTaskScheduledEventAttributes?.activityType?.name === 'trainSegment';
  });
  const payload = done?.activityTaskCompletedEventAttributes?.result?.payloads?.[0]?.data;
  if (!payload) return undefined;
  const { key } = JSON.parse(Buffer.from(payload).toString());
  return (await readSegment(store, key))?.result;
}
