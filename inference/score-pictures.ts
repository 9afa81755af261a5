/** Scores prepared images with the networks of a run, by the same tools and files as the run's own test fold. */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { testNet } from '../activities/caffe/inference-net.ts';
import { FILES } from '../activities/caffe/network.ts';
import { printPrototxt } from '../activities/caffe/prototxt.ts';
import { makeDatabase } from '../activities/labels/database.ts';
import { testRecords } from '../activities/training/evaluate.ts';
import type { Caffe } from '../lib/tools/caffe-command.ts';
import type { TrainedNetwork } from './trained-run.ts';

export interface ScoringJob {
  caffe: Caffe;
  /** Folder that only this job uses, with the images as PNGs in its subfolder `pictures`. The job leaves further files in it. */
  folder: string;
  /** File names of the images. */
  files: readonly string[];
  networks: readonly TrainedNetwork[];
  /** Writes the weights and the mean image of a network to the given paths. */
  place: (network: TrainedNetwork, weights: string, mean: string) => Promise<void>;
  signal: AbortSignal;
  /** Called with the number of images scored so far, added up over the networks. */
  onProgress?: (judged: number) => void;
}

/** Scores the images. @returns P(grade > k) by network, image in the order of `files`, and head */
export async function scorePictures(job: ScoringJob): Promise<number[][][]> {
  const { caffe, folder, files, networks, signal, onProgress = () => {} } = job;
  // The grades are unknown. Consecutive numbers as labels prove that the probabilities come in the order of the images.
  const stages = files.map((_, i) => i % 5);
  const records = files.map((file, i) => `${file} ${stages[i]}`);
  await makeDatabase({ caffe, cwd: folder, signal, records, encoded: true, onProgress: () => {} });
  const scores: number[][][] = [];
  for (const [n, network] of networks.entries()) {
    const { template, options } = network.inputs;
    const batch = Math.min(options.batch, files.length);
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

/** Writes images into the subfolder of `folder` that `scorePictures` reads. */
export async function placePictures(
  folder: string,
  pictures: readonly { file: string; bytes: Uint8Array }[],
): Promise<void> {
  await mkdir(join(folder, 'pictures'), { recursive: true });
  for (const { file, bytes } of pictures) await writeFile(join(folder, 'pictures', file), bytes);
}
