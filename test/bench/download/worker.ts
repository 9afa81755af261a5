/**
 * The process that downloads as a worker does: everything a worker imports, and one `downloadPart` activity a file, all at once.
 *
 * Standard output: one line with what it took and what came, as JSON.
 */
import { writeFile } from 'node:fs/promises';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import pino from 'pino';
import type { ActivityServices } from '../../../activities/dependencies.ts';
import { createDownloadActivities } from '../../../activities/download/index.ts';
import type { DownloadPartArgs, ListedFile } from '../../../activities/download/types.ts';
import type { ArchivePart } from '../../../activities/zip/virtual-file.ts';
import { pipelineInputSchema } from '../../../config/input.ts';
import { openStore } from '../../../storage/open.ts';
import { memoryOf } from './process.ts';
import '../../../workers/run-worker.ts';

export interface WorkerSettings {
  source: string;
  competition: string;
  token: string;
  files: ListedFile[];
  /** URL of the store. */
  store: string;
}

export interface WorkerDone {
  seconds: number;
  cpuSeconds: number;
  /** Bytes of memory at the peak beyond those before the transfer; null where the system does not tell. */
  memory: number | null;
  parts: ArchivePart[];
}

const { source, competition, token, files, store } = JSON.parse(process.argv[2]!) as WorkerSettings;

const refuse = async (): Promise<never> => {
  throw new Error('Expected a transfer to need neither Caffe nor made-up eyes');
};
const services: ActivityServices = {
  store: await openStore(store),
  log: pino({ level: 'warn' }, pino.destination(2)),
  // Not the user's environment: a token in it belongs to Kaggle.
  env: { KAGGLE_API_TOKEN: token, RETINOPATHY_KAGGLE_HOSTS: new URL(source).host },
  scratch: '',
  cache: '',
  caffe: refuse,
  syntheticUrl: refuse,
  cards: refuse,
};
const activities = createDownloadActivities(services);
const { archive } = pipelineInputSchema.parse({});
const take = (file: ListedFile): Promise<ArchivePart> => {
  const args: DownloadPartArgs = {
    source,
    archive: { ...archive, competition },
    synthetic: null,
    folder: 'bench',
    file,
  };
  const environment = new MockActivityEnvironment({}, { logger: new DefaultLogger('ERROR') });
  return environment.run(activities.downloadPart, args);
};

// Forgets the peak that importing had.
await writeFile('/proc/self/clear_refs', '5').catch(() => {});
const idle = await memoryOf('self', 'VmRSS');
const cpuBefore = process.cpuUsage();
const started = performance.now();
const parts = await Promise.all(files.map(take));
const seconds = (performance.now() - started) / 1000;
const { user, system } = process.cpuUsage(cpuBefore);
const peak = await memoryOf('self', 'VmHWM');

const done: WorkerDone = {
  seconds,
  cpuSeconds: (user + system) / 1e6,
  memory: peak === null || idle === null ? null : peak - idle,
  parts,
};
// Connections that are kept for a next request would keep the process.
process.stdout.write(`${JSON.stringify(done)}\n`, () => process.exit(0));
