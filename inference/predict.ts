/** Grades source images with the run's own preparation, networks, averaging and regression. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { extname, join } from 'node:path';
import pLimit from 'p-limit';
import { inWorkspace } from '../activities/dependencies.ts';
import { UnusablePicture } from '../activities/images/decode-jpeg.ts';
import { preparePicture } from '../activities/images/prepare-picture.ts';
import { LARGEST_PICTURE } from '../activities/images/validate-entries.ts';
import { type FoldRow, joinScores, type ScoreTable } from '../activities/regression/eyes.ts';
import { fellowOf } from '../activities/regression/features.ts';
import { type GradedEye, gradeEyes } from '../activities/regression/predict-grade.ts';
import type { PipelineInput } from '../config/input.ts';
import type { Caffe } from '../lib/tools/caffe-command.ts';
import type { ArtifactStore } from '../storage/store.ts';
import { placePictures, scorePictures } from './score-pictures.ts';
import { isPreparedAlike, placeNetwork, type TrainedRun, UnusableRun } from './trained-run.ts';

export interface Photograph {
  /** Path as the user gave it, or as found in a given folder. */
  file: string;
  /** Path without extension. Both eyes of a patient are in the same folder and differ only in `_left` and `_right`. */
  image: string;
}

interface FoundPhotographs {
  photographs: Photograph[];
  /** Number of files in the folders without an image extension. */
  others: number;
  /** True when a folder was among the names. */
  folders: boolean;
}

/** Image extensions. Formats that cannot be read are included, so that each such file gets an error message of its own. */
const PICTURE = /\.(jpe?g|png|tiff?|bmp|webp|gif|heic|dcm)$/i;

const collator = new Intl.Collator('en', { numeric: true });

/**
 * Finds the images in the order of the names. Folders are searched recursively, in natural order of their entries. Hidden files are
 * left out. A name that does not exist is listed as well, and fails with a reason when it is read.
 */
export async function findPhotographs(names: readonly string[]): Promise<FoundPhotographs> {
  const found: FoundPhotographs = { photographs: [], others: 0, folders: false };
  const seen = new Set<string>();
  const add = (file: string) => {
    if (seen.has(file)) return;
    seen.add(file);
    found.photographs.push({ file, image: file.slice(0, file.length - extname(file).length) });
  };
  const walk = async (folder: string): Promise<void> => {
    const entries = (await readdir(folder, { withFileTypes: true })).filter(({ name }) => !name.startsWith('.'));
    for (const entry of entries.sort((a, b) => collator.compare(a.name, b.name))) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) await walk(path);
      else if (PICTURE.test(entry.name)) add(path);
      else found.others++;
    }
  };
  for (const name of names) {
    const isFolder = await stat(name).then(
      file => file.isDirectory(),
      () => false,
    );
    if (!isFolder) add(name);
    else {
      found.folders = true;
      await walk(name);
    }
  }
  return found;
}

export interface PredictJob {
  store: ArtifactStore;
  trained: TrainedRun;
  caffe: Caffe;
  /** An existing folder for temporary files. */
  scratch: string;
  photographs: readonly Photograph[];
  signal: AbortSignal;
  /** Called with the completed share. */
  onProgress: (share: number) => void;
}

export type Prediction =
  /** `fellow`: true when the regression also used the other eye of the patient. */
  | { file: string; eye: GradedEye; fellow: boolean }
  /** Reason why there is no prediction. */
  | { file: string; reason: string };

/** Number of images whose versions are on the disk at the same time. */
const AT_ONCE = 256;

/**
 * Grades images.
 * @returns a prediction or a reason for each image, in order
 * @throws UnusableRun, CaffeError, NoSpace, the signal's reason
 */
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

/** Version of an eye with the scores of each network, one per head. */
interface ScoredVersion {
  image: string;
  version: string;
  p: number[][];
}

/** Averages the scores over the versions, as the run does for its test fold. */
function joined({ networks }: TrainedRun, rows: readonly ScoredVersion[]) {
  const images = [...new Set(rows.map(({ image }) => image))];
  // Placeholders for all images: grade and fold have no effect on the averages.
  const unknown = { level: 0, fold: 'test' } as const;
  const folds = images.map((image): FoldRow => ({ image, patient: image, version: null, ...unknown }));
  const tables = networks.map(({ name, heads }, n): ScoreTable => {
    const scored = rows.map(({ image, version, p }) => ({ image, version, p: p[n]!, ...unknown }));
    return { name, splits: heads, rows: scored };
  });
  return joinScores(folds, tables);
}

/** Returns a reason for each file whose eye name repeats that of an earlier file. Their results could not be distinguished. */
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
          const pngs = await prepareFile(photograph.file, input.images, signal).catch((error: Error) => {
            reasons.set(photograph, reasonOf(error));
            return [];
          });
          // File names may contain characters that are not possible in a list for Caffe, so numbers replace them.
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
      place: (network, weights, mean) => placeNetwork(store, network, weights, mean),
      onProgress: judged => report(judged / (versions.length * networks.length)),
    });
    return versions.map(({ image, version }, i) => ({ image, version, p: scores.map(of => of[i]!) }));
  });
}

/** Waits for all, so that none still uses the folder. @returns all results; @throws the first failure in order */
async function settled<Result>(works: Promise<Result>[]): Promise<Result[]> {
  await Promise.allSettled(works);
  return Promise.all(works);
}

async function prepareFile(file: string, images: PipelineInput['images'], signal: AbortSignal) {
  const { size } = await stat(file);
  if (size === 0) throw new UnusablePicture('Expected a picture, got an empty file');
  if (size > LARGEST_PICTURE) {
    throw new UnusablePicture(`Expected a picture of at most ${LARGEST_PICTURE} bytes, got ${size}`);
  }
  const { pngs, darkGround } = await preparePicture(await readFile(file), images, signal);
  if (!darkGround) throw new UnusablePicture('Expected an eye on a dark ground, got an image with bright corners');
  return pngs;
}

/** Returns the reason why an image cannot be graded. @throws the error itself where its cause is not the image */
function reasonOf(error: NodeJS.ErrnoException): string {
  if (error instanceof UnusablePicture) return error.message;
  if (['ENOENT', 'EACCES', 'EISDIR', 'ENOTDIR', 'ELOOP', 'EIO'].includes(error.code ?? '')) {
    return `Expected a file that can be read, got ${error.code}`;
  }
  throw error;
}
