/** Photographs to stages, by the run's own preparing, networks, averaging and regression. */
import { readFile, stat } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import pLimit from 'p-limit';
import { LARGEST_PICTURE } from '../activities/images/check-entries.ts';
import { preparePicture, UnusablePicture } from '../activities/images/prepare-picture.ts';
import { type FoldRow, joinScores, type ScoreTable } from '../activities/regression/eyes.ts';
import { fellowOf } from '../activities/regression/features.ts';
import { type GradedEye, gradeEyes } from '../activities/regression/grade.ts';
import type { Caffe } from '../activities/services.ts';
import { inWorkspace } from '../activities/training/workspace.ts';
import type { PipelineInput } from '../config/input.ts';
import { getFile } from '../storage/files.ts';
import type { ArtifactStore } from '../storage/store.ts';
import type { Photograph } from './photographs.ts';
import { placePictures, scorePictures } from './score-pictures.ts';
import { isPreparedAlike, type TrainedNetwork, type TrainedRun, UnusableRun } from './trained-run.ts';

export interface PredictJob {
  store: ArtifactStore;
  trained: TrainedRun;
  caffe: Caffe;
  /** An existing folder for temporary files. */
  scratch: string;
  photographs: readonly Photograph[];
  signal: AbortSignal;
  /** Called with the share that is done. */
  onProgress: (share: number) => void;
}

export type Prediction =
  /** `fellow`: whether the regression has seen the other eye of the patient, too. */
  | { file: string; eye: GradedEye; fellow: boolean }
  /** Why there is no prediction. */
  | { file: string; reason: string };

/** Photographs whose versions lie on the disk at once. */
const AT_ONCE = 256;

/** @returns a prediction or a reason for each photograph, in their order; @throws UnusableRun, CaffeError, NoSpace, the signal's reason */
export async function predictPhotographs(job: PredictJob): Promise<Prediction[]> {
  const { photographs, trained } = job;
  if (!isPreparedAlike(trained)) {
    throw new UnusableRun(
      `Expected the pictures of run ${trained.run} to be prepared as this release does it, got another's (recipe ${trained.preparedBy}): predict with that release, or run it again`,
    );
  }
  const reasons = new Map<Photograph, string>(sameEyes(photographs));
  const readable = photographs.filter(photograph => !reasons.has(photograph));
  const rows: ScoredVersion[] = [];
  for (let from = 0; from < readable.length; from += AT_ONCE) {
    const chunk = readable.slice(from, from + AT_ONCE);
    const report = (share: number) => job.onProgress((from + share * chunk.length) / readable.length);
    rows.push(...(await scoreChunk(job, chunk, reasons, report)));
  }
  const graded = gradeEyes(joined(trained, rows), trained.metrics.regression, trained.input.regression);
  const eyes = new Map(graded.map(eye => [eye.image, eye]));
  return photographs.map(photograph => {
    const { file, image } = photograph;
    const reason = reasons.get(photograph);
    if (reason !== undefined) return { file, reason };
    const fellow = fellowOf(image);
    const both = trained.input.regression.fellowEye && fellow !== image && eyes.has(fellow);
    return { file, eye: eyes.get(image)!, fellow: both };
  });
}

/** A version of an eye with what each network says of it, one figure a head. */
export interface ScoredVersion {
  image: string;
  version: string;
  p: number[][];
}

/** Averages over the versions as the run does it with its test fold. */
function joined({ networks }: TrainedRun, rows: readonly ScoredVersion[]) {
  const images = [...new Set(rows.map(({ image }) => image))];
  // What nobody knows, of all the same: neither stage nor patient has a part in the averages.
  const unknown = { level: 0, fold: 'test' } as const;
  const folds = images.map((image): FoldRow => ({ image, patient: image, version: null, ...unknown }));
  const tables = networks.map(({ name, heads }, n): ScoreTable => {
    const scored = rows.map(({ image, version, p }) => ({ image, version, p: p[n]!, ...unknown }));
    return { name, splits: heads, rows: scored };
  });
  return joinScores(folds, tables);
}

/** Two files that would be the same eye: the second is no other picture of it that could be told apart. */
function sameEyes(photographs: readonly Photograph[]): [Photograph, string][] {
  const first = new Map<string, string>();
  return photographs.flatMap((photograph): [Photograph, string][] => {
    const { file, image } = photograph;
    const twin = first.get(image);
    first.set(image, twin ?? file);
    return twin === undefined ? [] : [[photograph, `Expected one photograph of ${image}, got it after ${twin}`]];
  });
}

async function scoreChunk(
  { store, trained, caffe, scratch, signal }: PredictJob,
  chunk: readonly Photograph[],
  reasons: Map<Photograph, string>,
  report: (share: number) => void,
): Promise<ScoredVersion[]> {
  const { input, networks } = trained;
  return inWorkspace({ scratch }, 'predict', async folder => {
    const limit = pLimit(availableParallelism());
    const prepared = await settled(
      chunk.map((photograph, i) =>
        limit(async () => {
          signal.throwIfAborted();
          const pngs = await prepareFile(photograph.file, input.images).catch((error: Error) => {
            reasons.set(photograph, reasonOf(error));
            return [];
          });
          // Names of files may hold what a list for Caffe cannot.
          const files = pngs.map(({ version, bytes }) => ({ file: `${i}.${version}.png`, bytes }));
          await placePictures(folder, files);
          return pngs.map(({ version }, n) => ({ image: photograph.image, version, file: files[n]!.file }));
        }),
      ),
    );
    const versions = prepared.flat();
    if (versions.length === 0) return [];
    const scores = await scorePictures({
      ...{ caffe, folder, networks, signal },
      files: versions.map(({ file }) => file),
      place: (network, weights, mean) => placeStored(store, network, weights, mean),
      onProgress: judged => report(judged / (versions.length * networks.length)),
    });
    return versions.map(({ image, version }, i) => ({ image, version, p: scores.map(of => of[i]!) }));
  });
}

/** All of them, or the first failure once none is at work in the folder any more. */
async function settled<Result>(works: Promise<Result>[]): Promise<Result[]> {
  await Promise.allSettled(works);
  return Promise.all(works);
}

async function placeStored(store: ArtifactStore, network: TrainedNetwork, weights: string, mean: string) {
  await getFile(store, network.weights, weights);
  await getFile(store, network.inputs.mean, mean);
}

async function prepareFile(file: string, images: PipelineInput['images']) {
  const { size } = await stat(file);
  if (size === 0) throw new UnusablePicture('Expected a picture, got an empty file');
  if (size > LARGEST_PICTURE) {
    throw new UnusablePicture(`Expected a picture of at most ${LARGEST_PICTURE} bytes, got ${size}`);
  }
  return (await preparePicture(await readFile(file), images)).pngs;
}

/** @throws what is no fault of the photograph */
function reasonOf(error: NodeJS.ErrnoException): string {
  if (error instanceof UnusablePicture) return error.message;
  if (['ENOENT', 'EACCES', 'EISDIR', 'ENOTDIR', 'ELOOP', 'EIO'].includes(error.code ?? '')) {
    return `Expected a file that can be read, got ${error.code}`;
  }
  throw error;
}
