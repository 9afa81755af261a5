/** Dependencies that the worker hands to its activities. */
import { randomUUID } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { Caffe } from '../lib/tools/caffe-command.ts';
import type { ArtifactStore } from '../storage/store.ts';

export interface GraphicsCard {
  /** Value of Caffe's `--gpu`. */
  number: number;
  /** Description for people, such as `Tesla T4, compute capability 7.5, 15360 MiB`; empty where it is not known. */
  about: string;
}

export interface ActivityServices {
  store: ArtifactStore;
  log: Logger;
  /** An existing folder of this worker process for temporary files, emptied when the worker starts. */
  scratch: string;
  /**
   * An existing folder that the workers of this machine share. It holds copies of stored objects by checksum, and may be emptied at any
   * time.
   */
  cache: string;
  /** Finds Caffe on the first call and keeps it. @throws a non-retryable failure that says how to supply it */
  caffe(): Promise<Caffe>;
  /** Environment from which secrets and settings are read. */
  env: NodeJS.ProcessEnv;
  /**
   * Returns the base URL of this worker's own Kaggle-compatible server on loopback. It serves the synthetic eyes under `prefix` in the
   * store, and starts on the first call.
   */
  syntheticUrl(prefix: string): Promise<string>;
  /** Returns the GPUs that this worker's Caffe trains on; with none it trains on the CPU. The first call detects them. */
  cards(): Promise<readonly GraphicsCard[]>;
}

/** Runs `work` in a new folder of the worker's scratch space, and removes the folder afterwards. */
export async function inWorkspace<Result>(
  { scratch }: Pick<ActivityServices, 'scratch'>,
  purpose: string,
  work: (folder: string) => Promise<Result>,
): Promise<Result> {
  const folder = join(scratch, `${purpose}-${randomUUID()}`);
  await mkdir(folder, { recursive: true });
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
