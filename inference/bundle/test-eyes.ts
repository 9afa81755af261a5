/** Computes the predictions of a bundle's files for a few test eyes of the run. */
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { extractPictures, placesOfFiles, readIndexes } from '../../activities/images/read-shards.ts';
import { fileName } from '../../activities/images/shard-tar.ts';
import { joinScores } from '../../activities/regression/eyes.ts';
import { fellowOf } from '../../activities/regression/features.ts';
import { type GradedEye, gradeEyes, type StageModel } from '../../activities/regression/predict-grade.ts';
import { readOutput } from '../../activities/regression/stored-files.ts';
import { parseFolds, parsePredictions, type ReadPrediction } from '../../activities/regression/tables.ts';
import type { Version } from '../../config/input.ts';
import type { Caffe } from '../../lib/tools/caffe-command.ts';
import type { ArtifactStore } from '../../storage/store.ts';
import { scorePictures } from '../score-pictures.ts';
import { type TrainedNetwork, type TrainedRun, UnusableRun } from '../trained-run.ts';

/** Entry of `expected.json`. */
export interface ExpectedEye {
  image: string;
  /** Only with `folds.unit: record`. */
  version: string | null;
  /** Grade by the human grader. */
  level: number;
  /** P(grade > k) for k = 0 … 3, mean over the images. */
  p: number[];
  /** Score of the regression, and the grade after its thresholds. */
  expected: number;
  predicted: number;
  /** Prepared images of the eye's versions, each with the networks' P(grade > k). */
  pictures: { file: string; p: number[] }[];
}

const EYES = 8;
/** Maximum difference of two equal probabilities. A GPU or another Caffe may differ from this machine in the sixth digit. */
const TOLERANCE = 1e-4;

/** Chooses test eyes of each grade in turn, in the order of the table. */
export function chooseEyes(predictions: readonly ReadPrediction[]): ReadPrediction[] {
  const byStage = [0, 1, 2, 3, 4].map(stage =>
    predictions.filter(({ fold, level }) => fold === 'test' && level === stage),
  );
  const most = Math.max(...byStage.map(eyes => eyes.length));
  const inTurn = Array.from({ length: most }, (_, turn) => byStage.flatMap(eyes => eyes.slice(turn, turn + 1))).flat();
  return inTurn.slice(0, EYES);
}

export interface ScoreEyesJob {
  store: ArtifactStore;
  trained: TrainedRun;
  caffe: Caffe;
  /** Folder that only this job uses. */
  folder: string;
  model: StageModel;
  /** Returns the paths of a network's weights and mean image. */
  filesOf: (network: TrainedNetwork) => { weights: string; mean: string };
  signal: AbortSignal;
}

/**
 * Scores the chosen eyes and compares them with the run's `predictions.csv`. Leaves their images in `pictures` of the job's folder.
 * @throws UnusableRun when they differ
 */
export async function expectedEyes(job: ScoreEyesJob): Promise<ExpectedEye[]> {
  const { store, trained } = job;
  const predictions = parsePredictions(await readOutput(store, trained.prefixes.regress!, 'predictions.csv'));
  const chosen = chooseEyes(predictions);
  const images = new Set(chosen.flatMap(({ image }) => [image, fellowOf(image)]));
  const folds = parseFolds(await readOutput(store, trained.prefixes.label!, 'folds.csv'));
  const rows = folds.filter(({ image, fold }) => fold !== 'train' && images.has(image));
  const records = rows.flatMap(row =>
    (row.version === null ? trained.input.images.versions : [row.version as Version]).map(version => ({
      ...{ row, version, file: fileName({ image: row.image, version }) },
    })),
  );
  const files = records.map(({ file }) => file);
  const places = placesOfFiles(await readIndexes(store, trained.prefixes.prepare!), files);
  await extractPictures(store, places, join(job.folder, 'pictures'), job.signal, () => {});
  const scores = await scorePictures({
    ...{ caffe: job.caffe, folder: job.folder, files, networks: trained.networks, signal: job.signal },
    place: async (network, weights, mean) => {
      const from = job.filesOf(network);
      await copyFile(from.weights, weights);
      await copyFile(from.mean, mean);
    },
  });
  const tables = trained.networks.map(({ name, heads }, n) => ({
    ...{ name, splits: heads },
    rows: records.map(({ row, version }, i) => ({ ...row, version, p: scores[n]![i]! })),
  }));
  const graded = gradeEyes(joinScores(rows, tables), job.model, trained.input.regression);
  return chosen.map(eye => {
    const again = graded.find(({ image, version }) => image === eye.image && version === eye.version);
    refuseDifferent(eye, again, trained.run);
    const own = records.flatMap(({ row, file }, i) =>
      row.image === eye.image && row.version === eye.version ? [{ file, at: i }] : [],
    );
    const { image, version, level, p, expected, predicted } = eye;
    const pictures = own.map(({ file, at }) => ({
      file: `pictures/${file}`,
      p: trained.networks
        .flatMap(({ heads }, n) => heads.map((k, head) => ({ k, p: scores[n]![at]![head]! })))
        .sort((a, b) => a.k - b.k)
        .map(({ p }) => p),
    }));
    return { image, version, level, p, expected, predicted, pictures };
  });
}

function refuseDifferent(eye: ReadPrediction, again: GradedEye | undefined, run: string): void {
  const before = [...eye.p, eye.expected];
  const now = again === undefined ? [] : [...again.p, again.expected];
  // The regression's score is a weighted sum of four or more probabilities, so its tolerance is larger.
  if (before.every((value, i) => Math.abs(value - (now[i] ?? Number.NaN)) <= (i < 4 ? 1 : 10) * TOLERANCE)) return;
  const [was, is] = [before, now].map(values => values.map(value => value.toFixed(5)).join(', '));
  throw new UnusableRun(
    `Expected ${eye.image} to be judged as in predictions.csv of run ${run} (p0 … p3, value: ${was}), got ${is}: weights, mean picture or regression are not those of the run, or another Caffe judges; nothing was written`,
  );
}
