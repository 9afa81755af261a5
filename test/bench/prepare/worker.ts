/**
 * The process that prepares as a cpu worker does: a shard for each slot at once, from the parts in a store to tars in it.
 *
 * Its argument is a `WorkerJob` as JSON; standard output: one line with a `WorkerDone`.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { MockActivityEnvironment } from '@temporalio/testing';
import pLimit from 'p-limit';
import pino from 'pino';
import type { ActivityServices } from '../../../activities/dependencies.ts';
import { createImageActivities } from '../../../activities/images/index.ts';
import { parseDirectory } from '../../../activities/images/stored-directory.ts';
import type { ArchivePart } from '../../../activities/zip/virtual-file.ts';
import { VirtualFile } from '../../../activities/zip/virtual-file.ts';
import { readEntry, readWindows } from '../../../activities/zip/zip-entries.ts';
import { pipelineInputSchema } from '../../../config/input.ts';
import { getArtifact } from '../../../storage/artifacts.ts';
import { openStore } from '../../../storage/open.ts';

export interface WorkerJob {
  store: string;
  parts: ArchivePart[];
  pictures: number;
  /** A place in the store that holds nothing yet. */
  prefix: string;
  /** Where entries go when they are only to be unzipped; null prepares them. */
  unzipTo: string | null;
}

export interface WorkerDone {
  seconds: number;
  cpuSeconds: number;
  /** Seconds of `seconds` spent on opening the archive. */
  opening: number;
}

/** As many as a worker keeps in flight while it unzips. */
const UNZIPPED_AT_ONCE = 4;

const job = JSON.parse(process.argv[2]!) as WorkerJob;
const store = await openStore(job.store);
const scratch = await mkdtemp(join(tmpdir(), 'bench-scratch-'));
const refuse = async (): Promise<never> => {
  throw new Error('Expected preparing to need neither Caffe nor made-up eyes');
};
const services: ActivityServices = {
  store,
  log: pino({ level: 'warn' }, pino.destination(2)),
  env: {},
  scratch,
  cache: scratch,
  caffe: refuse,
  syntheticUrl: refuse,
  cards: refuse,
};
const slots = availableParallelism();
const { archive, images: defaults } = pipelineInputSchema.parse({});
// Two rounds of shards for each slot, whatever the number of pictures.
const images = { ...defaults, shardSize: Math.ceil(job.pictures / (2 * slots)) };
const activities = createImageActivities(services);
const run = <Result>(work: () => Promise<Result>) => new MockActivityEnvironment().run(work) as Promise<Result>;

try {
  const began = performance.now();
  const cpu = process.cpuUsage();
  const { parts, prefix } = job;
  const opened = await run(() => activities.openArchive({ prefix, parts, labels: null, archive, images }));
  const opening = (performance.now() - began) / 1000;
  if (job.unzipTo !== null) await unzip(job.unzipTo, opened.directory);
  else {
    const limit = pLimit(slots);
    const { directory } = opened;
    await limit.map(
      Array.from({ length: opened.shards }, (_, n) => n),
      shard => run(() => activities.unzipAndAugment({ prefix, parts, directory, images, shard })),
    );
  }
  const { user, system } = process.cpuUsage(cpu);
  const done: WorkerDone = { seconds: (performance.now() - began) / 1000, cpuSeconds: (user + system) / 1e6, opening };
  process.stdout.write(`${JSON.stringify(done)}\n`);
} finally {
  await rm(scratch, { recursive: true, force: true });
}

/** What `7z x` does, with the pipeline's own reader: every entry checked and written to a file. */
async function unzip(folder: string, directory: Parameters<typeof getArtifact>[1]): Promise<void> {
  const { pictures } = parseDirectory((await getArtifact(store, directory)).toString());
  const file = new VirtualFile(store, job.parts);
  await mkdir(join(folder, 'train'), { recursive: true });
  const inFlight = new Set<Promise<void>>();
  for await (const window of readWindows(file, pictures)) {
    for (const entry of window.entries) {
      const one = readEntry(file, window, entry).then(bytes => writeFile(join(folder, entry.name), bytes));
      inFlight.add(one);
      void one.finally(() => inFlight.delete(one)).catch(() => {});
      if (inFlight.size >= UNZIPPED_AT_ONCE) await Promise.race(inFlight);
    }
  }
  await Promise.all(inFlight);
}
