/** What activities get from the worker that runs them. */
import type { Logger } from 'pino';
import type { ArtifactStore } from '../storage/store.ts';

/** A Caffe command that works: how to call it and what it is. */
export interface Caffe {
  /** Command line of a Caffe tool, e.g. `command('caffe', ['train', …])` → `['/…/ld-2.31.so', '--library-path', …]`. */
  command(tool: 'caffe' | 'convert_imageset' | 'compute_image_mean', args: readonly string[]): string[];
  /** `caffe version 1.0.0 (Debian 11)`, for the report and the log. */
  version: string;
  /** What the command needs beside the worker's own environment. */
  env: Record<string, string>;
}

export interface GraphicsCard {
  /** What Caffe's `--gpu` takes. */
  number: number;
  /** For people: `Tesla T4, compute capability 7.5, 15360 MiB`; empty where nobody told. */
  about: string;
}

export interface ActivityServices {
  store: ArtifactStore;
  log: Logger;
  /** An existing folder of this worker process for temporary files; emptied when the worker starts. */
  scratch: string;
  /** An existing folder that workers of this machine share: copies of stored objects by checksum. May be emptied at any time. */
  cache: string;
  /** Finds Caffe on the first call, and keeps it. @throws a non-retryable failure that says how to supply it. */
  caffe(): Promise<Caffe>;
  /** The environment that secrets and settings are read from. */
  env: NodeJS.ProcessEnv;
  /** Base URL of this worker's own Kaggle-compatible server on loopback for the made-up eyes under `prefix` in the store; starts it on the first call. */
  syntheticUrl(prefix: string): Promise<string>;
  /** Graphics cards that this worker's Caffe is to train on; none trains on the CPU. Looked for at the first call. */
  cards(): Promise<readonly GraphicsCard[]>;
}
