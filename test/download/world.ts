/** What the download's tests share: files to serve, wrappers around them, and the activities on a store and a server of their own. */
import { randomBytes } from 'node:crypto';
import { crc32c } from '@node-rs/crc32';
import type { Info } from '@temporalio/activity';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import yazl from 'yazl';
import type { ActivityServices } from '../../activities/dependencies.ts';
import { createDownloadActivities } from '../../activities/download/index.ts';
import type { DownloadSettings } from '../../activities/download/settings.ts';
import type { DownloadActivities, ListFilesArgs } from '../../activities/download/types.ts';
import type { ArchivePart } from '../../activities/zip/virtual-file.ts';
import { pipelineInputSchema } from '../../config/input.ts';
import { openLarge } from '../../storage/large.ts';
import type { ArtifactStore } from '../../storage/store.ts';
import type { ServedFile } from '../../synthetic/kaggle/server.ts';

/** Chunks small enough that a file of a megabyte has many, and waits too short to notice. */
export const SMALL: DownloadSettings = {
  chunkSize: 64 << 10,
  connections: 4,
  patience: { tries: 4, backoffMs: 5 },
  silenceMs: 2_000,
  slowMs: 2_000,
};

export const noise = (bytes: number) => randomBytes(bytes);

export const LABELS = 'image,level\n10_left,0\n10_right,2\n';

export function served(name: string, bytes: Buffer, servedAs?: string): ServedFile {
  return {
    name,
    ...(servedAs ? { servedAs } : {}),
    size: bytes.length,
    crc32c: crc32c(bytes),
    read: async (offset, length) => bytes.subarray(offset, offset + length),
  };
}

/** A zip of the given files. */
export async function zipOf(files: Record<string, Buffer>, compress: boolean): Promise<Buffer> {
  const zip = new yazl.ZipFile();
  for (const [name, bytes] of Object.entries(files)) zip.addBuffer(bytes, name, { compress });
  zip.end();
  const chunks: Buffer[] = [];
  for await (const chunk of zip.outputStream as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Arguments of the activities for a source, with archive settings over the defaults. */
export function argsFor(source: string, archive: Partial<ListFilesArgs['archive']> = {}): ListFilesArgs {
  return { source, archive: { ...pipelineInputSchema.parse({}).archive, parts: 1, ...archive }, synthetic: null };
}

/** Runs activities without their failures in the test's output. */
export const quietEnvironment = (info: Partial<Info> = {}) =>
  new MockActivityEnvironment(info, { logger: new DefaultLogger('ERROR') });

/** The activities, each run as a worker would; `heartbeats` are those of the latest. */
export function activitiesOn(services: ActivityServices, settings = SMALL) {
  const activities = createDownloadActivities(services, settings);
  const heartbeats: unknown[] = [];
  const run = <Name extends keyof DownloadActivities>(
    name: Name,
    args: Parameters<DownloadActivities[Name]>[0],
    environment = quietEnvironment(),
  ): ReturnType<DownloadActivities[Name]> => {
    heartbeats.length = 0;
    environment.on('heartbeat', details => heartbeats.push(details));
    return environment.run(() => activities[name](args as never)) as ReturnType<DownloadActivities[Name]>;
  };
  const part = async (args: ListFilesArgs, name = 'train.zip.001', environment?: MockActivityEnvironment) =>
    run('downloadPart', { ...args, folder: 'here', file: { name, size: 0 } }, environment);
  return { run, part, heartbeats };
}

/** The bytes of a part, as the next stage will read them. */
export const bytesOf = async (store: ArtifactStore, { key, offset, size }: ArchivePart) =>
  (await openLarge(store, key)).read({ offset, length: size });

/** Where a part ends up: below a folder for each version of it. */
export const PART_KEY = /^archives\/here\/train\.zip\.001\/[0-9a-f]{8}\/part\/chunks\.json$/;

/** What an activity failed with. */
export async function failureOf(work: Promise<unknown>): Promise<Error & { nonRetryable?: boolean; type?: string }> {
  try {
    await work;
  } catch (error) {
    return error as Error;
  }
  throw new Error('Expected the activity to fail, got a result');
}

export async function keysOf(store: ArtifactStore, prefix = ''): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list(prefix)) keys.push(key);
  return keys;
}
