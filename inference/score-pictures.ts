/** Lets the networks of a run judge prepared pictures, by the same tools and files as the run's own test fold. */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeDatabase } from '../activities/labels/database.ts';
import type { Caffe } from '../activities/services.ts';
import { judgingBatch, testRecords } from '../activities/training/caffe-test.ts';
import { testNet } from '../activities/training/judging-net.ts';
import { FILES } from '../activities/training/network.ts';
import { printPrototxt } from '../activities/training/prototxt.ts';
import type { TrainedNetwork } from './trained-run.ts';

export interface ScoringJob {
  caffe: Caffe;
  /** A folder of this job's own, with the pictures as PNG in its folder `pictures`. It is left with more in it. */
  folder: string;
  /** Names of the pictures' files. */
  files: readonly string[];
  networks: readonly TrainedNetwork[];
  /** Puts the weights and the mean picture of a network where they are asked for. */
  place: (network: TrainedNetwork, weights: string, mean: string) => Promise<void>;
  signal: AbortSignal;
  /** Called with the pictures judged so far, of all networks together. */
  onProgress?: (judged: number) => void;
}

/** @returns P(stage > k) of each picture in the order of `files`, for each network and its heads */
export async function scorePictures(job: ScoringJob): Promise<number[][][]> {
  const { caffe, folder, files, networks, signal, onProgress = () => {} } = job;
  // Nobody knows their stage. Counting instead shows that the probabilities come in the order of the pictures.
  const stages = files.map((_, i) => i % 5);
  const records = files.map((file, i) => `${file} ${stages[i]}`);
  await makeDatabase({ caffe, cwd: folder, signal, records, encoded: true, mean: false, onProgress: () => {} });
  const scores: number[][][] = [];
  for (const [n, network] of networks.entries()) {
    const { template, options } = network.inputs;
    const batch = judgingBatch(options.batch, files.length);
    await Promise.all([FILES.weights, FILES.mean].map(file => rm(join(folder, file), { force: true })));
    await job.place(network, join(folder, FILES.weights), join(folder, FILES.mean));
    await writeFile(join(folder, FILES.net), printPrototxt(testNet(template, { ...options, batch })));
    scores.push(
      await testRecords({
        ...{ caffe, cwd: folder, signal, card: [], heads: network.heads, stages, batch },
        ...{ database: 'the pictures', snapshot: network.snapshot },
        onProgress: done => onProgress(n * files.length + done),
      }),
    );
  }
  return scores;
}

/** Makes the folder that `scorePictures` wants, with the given pictures in it. */
export async function placePictures(
  folder: string,
  pictures: readonly { file: string; bytes: Uint8Array }[],
): Promise<void> {
  await mkdir(join(folder, 'pictures'), { recursive: true });
  for (const { file, bytes } of pictures) await writeFile(join(folder, 'pictures', file), bytes);
}
