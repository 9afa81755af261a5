/** Exports a fold as tars for the `webdataset` package and compatible readers: a `.png`, a `.cls` and a `.json` per sample. */
import { copyFile, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { extractPictures, placesOfFiles, readIndexes } from '../activities/images/read-shards.ts';
import { createShardTar, fileName } from '../activities/images/shard-tar.ts';
import type { IndexedPicture } from '../activities/images/types.ts';
import type { Fold } from '../activities/labels/types.ts';
import { readOutput } from '../activities/regression/stored-files.ts';
import { parseFolds } from '../activities/regression/tables.ts';
import type { PipelineInput, Version } from '../config/input.ts';
import { seededShuffle } from '../lib/random.ts';
import type { ArtifactStore } from '../storage/store.ts';

export interface WebDatasetJob {
  store: ArtifactStore;
  /** `stages/prepare/<key>` and `stages/label/<key>`, both finished. */
  prepare: string;
  label: string;
  input: PipelineInput;
  fold: Fold;
  /** An existing folder. */
  folder: string;
  signal: AbortSignal;
  onProgress: (written: number, of: number) => void;
}

/** Maximum number of samples in a tar. */
const SAMPLES = 1024;

/** Content of a sample's `.json`, without the size, crop and hash of the source image. */
interface Sample {
  image: string;
  patient: string;
  version: Version;
  /** Grade 0–4 by the human grader, as in the `.cls`. */
  stage: number;
  fold: Fold;
  /** Side of the image in pixels. */
  size: number;
}

/**
 * Writes `<fold>-000000.tar` …, and `read.py`, a reader in Python. A sample is a version of an eye, named `10_left-a`. Training samples
 * are shuffled by the training's seed, as for Caffe. The others keep the order of their eyes.
 * @returns the number of samples and of tars
 * @throws NoSpace, the signal's reason
 */
export async function writeWebDataset(job: WebDatasetJob): Promise<{ samples: number; tars: number }> {
  const { store, fold, folder, input, signal, onProgress } = job;
  const folds = parseFolds(await readOutput(store, job.label, 'folds.csv'));
  const samples = folds
    .filter(row => row.fold === fold)
    .flatMap(({ image, patient, level, version }) =>
      (version === null ? input.images.versions : [version as Version]).map(
        (each): Sample => ({ image, patient, version: each, stage: level, fold, size: input.images.size }),
      ),
    );
  const ordered = fold === 'train' ? seededShuffle(samples, input.training.seed, 'train', fileName) : samples;
  const shards = await readIndexes(store, job.prepare);
  const places = placesOfFiles(shards, ordered.map(fileName));
  const pictures = new Map(shards.flatMap(({ index }) => index.pictures.map(picture => [picture.image, picture])));
  const making = join(folder, '.pictures');
  let tars = 0;
  for (let from = 0; from < ordered.length; from += SAMPLES) {
    const chunk = ordered.slice(from, from + SAMPLES);
    const wanted = places.slice(from, from + SAMPLES);
    await extractPictures(store, wanted, making, signal, done => onProgress(from + done, ordered.length));
    const tar = createShardTar(join(folder, `${fold}-${String(tars++).padStart(6, '0')}.tar`));
    try {
      for (const sample of chunk) {
        const key = `${sample.image}-${sample.version}`;
        await tar.add(`${key}.png`, await readFile(join(making, fileName(sample))));
        await tar.add(`${key}.cls`, Buffer.from(String(sample.stage)));
        await tar.add(`${key}.json`, Buffer.from(JSON.stringify(described(sample, pictures.get(sample.image)!))));
      }
      await tar.finish();
    } catch (error) {
      await tar.abandon();
      throw error;
    }
    await rm(making, { recursive: true });
  }
  await copyFile(new URL('webdataset.py', import.meta.url), join(folder, 'read.py'));
  return { samples: ordered.length, tars };
}

function described(sample: Sample, { width, height, crop, hash }: IndexedPicture): object {
  return { ...sample, photograph: { width, height }, crop, ...(hash !== undefined && { hash }) };
}
