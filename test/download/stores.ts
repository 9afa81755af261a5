/** The stores that a download must come to the same end on. */
import { randomUUID } from 'node:crypto';
import { readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { DownloadSettings } from '../../activities/download/settings.ts';
import { createFileStore } from '../../storage/file.ts';
import { createS3Store } from '../../storage/s3.ts';
import type { ArtifactStore } from '../../storage/store.ts';
import { type S3Server, startS3 } from '../support/s3/s3.ts';
import { SMALL } from './world.ts';

export interface StoreKind {
  name: string;
  /** Bytes of a file that has many chunks there. */
  size: number;
  settings: DownloadSettings;
  /** An empty store; other processes open it by its URL, with this in their environment. */
  open(folder: string): Promise<{ store: ArtifactStore; env: NodeJS.ProcessEnv; close(): Promise<void> }>;
  /** What lies in the store beside its objects: temporary files. */
  leftovers(store: ArtifactStore): Promise<string[]>;
}

const onFiles: StoreKind = {
  name: 'a folder',
  size: 1_000_003,
  settings: SMALL,
  open: async folder => ({ store: createFileStore(join(folder, 'store')), env: {}, close: async () => {} }),
  leftovers: store => filesBelow(join(store.url.slice('file:'.length), '.tmp')),
};

let server: Promise<S3Server> | undefined;
const onS3: StoreKind = {
  name: 's3',
  size: 1_000_003,
  settings: SMALL,
  async open() {
    server ??= startS3();
    const { bucket, env } = await server;
    Object.assign(process.env, env);
    const store = await createS3Store(`s3://${bucket}/${randomUUID()}`);
    return { store, env, close: async () => {} };
  },
  leftovers: async () => [],
};

/** S3 where time does not matter. */
export const STORES: readonly StoreKind[] = process.env.RETINOPATHY_LONG ? [onFiles, onS3] : [onFiles];

/** Ends what the stores of this process run on. */
export async function closeStores(): Promise<void> {
  await (await server)?.close();
}

/** Paths of all files below a folder, which may be missing. */
async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries.filter(entry => !entry.isDirectory()).map(({ parentPath, name }) => join(parentPath, name));
}

/** Files below `folder` that this process holds open; Linux only, elsewhere none. */
export async function openFilesBelow(folder: string): Promise<string[]> {
  const descriptors = await readdir('/proc/self/fd').catch(() => []);
  const targets = await Promise.all(descriptors.map(fd => readlink(`/proc/self/fd/${fd}`).catch(() => '')));
  return targets.filter(target => target.startsWith(folder));
}
