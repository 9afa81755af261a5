/** Builds the submission: a grade for each image that the sample submission names. Pure. */
import { joinScores, type ScoredEye, type ScoreTable } from '../regression/eyes.ts';
import { fellowOf } from '../regression/features.ts';
import { gradeEyes, type StageModel } from '../regression/predict-grade.ts';
import { rows, scoreColumns } from '../regression/tables.ts';
import type { WriteSubmissionArgs } from './types.ts';

/** Origin of a line's grade: the networks, the fellow eye's grade, or the most frequent grade of the training fold. */
export type Origin = 'networks' | 'fellow' | 'majority';

export interface SubmittedEye {
  image: string;
  level: number;
  from: Origin;
}

/** Mismatch of the images of an archive, or of the lines of a submission, with the sample submission. */
export class SampleMismatch extends Error {
  override readonly name = 'SampleMismatch';
}

/** Maximum number of names in an error message. */
const SHOWN = 3;

/**
 * Compares names with those of the sample submission.
 * @param what source of the names for the error message: `test.zip`, `submission.csv`
 * @throws SampleMismatch when a name is missing, duplicated, or not in the sample
 */
export function checkNames(what: string, names: Iterable<string>, sample: readonly string[]): void {
  const wanted = new Set(sample);
  const seen = new Set<string>();
  const twice: string[] = [];
  const strange: string[] = [];
  for (const name of names) {
    if (seen.has(name)) twice.push(name);
    else if (!wanted.has(name)) strange.push(name);
    seen.add(name);
  }
  const missing = sample.filter(name => !seen.has(name));
  const wrong = [
    [missing, 'missing'],
    [strange, 'that the sample does not name'],
    [twice, 'there twice'],
  ] as const;
  const found = wrong.filter(([list]) => list.length > 0).map(([list, how]) => `${list.length} ${how} (${some(list)})`);
  if (found.length > 0) {
    throw new SampleMismatch(
      `Expected ${what} to hold the ${sample.length} pictures of the sample submission, got ${found.join(', ')}`,
    );
  }
}

/**
 * Returns a line for every image of the sample, in its order. A quarantined image, which the networks have not scored, gets its fellow
 * eye's grade. Both grades are equal in 87 % of the competition's patients. Where both images are quarantined, they get the majority.
 * @param predicted grade of each image that the networks have scored
 * @param majority most frequent grade of the training fold
 */
export function fillSubmission(
  sample: readonly string[],
  predicted: ReadonlyMap<string, number>,
  majority: number,
): SubmittedEye[] {
  return sample.map(image => {
    const own = predicted.get(image);
    if (own !== undefined) return { image, level: own, from: 'networks' };
    const fellow = predicted.get(fellowOf(image));
    return fellow === undefined
      ? { image, level: majority, from: 'majority' }
      : { image, level: fellow, from: 'fellow' };
  });
}

/** Formats `image,level`, a line per eye. */
export function formatSubmission(eyes: readonly Pick<SubmittedEye, 'image' | 'level'>[]): string {
  return `image,level\n${eyes.map(({ image, level }) => `${image},${level}\n`).join('')}`;
}

function some(names: readonly string[]): string {
  return names.length > SHOWN ? `${names.slice(0, SHOWN).join(', ')}, …` : names.join(', ');
}

/** Scored image with the regression's prediction. */
export interface ScoredPicture extends Pick<ScoredEye, 'image' | 'p'> {
  expected: number;
  level: number;
}

/** Placeholder for the grade and fold that `joinScores` needs and that these images do not have. */
const UNGRADED = { level: 0, fold: 'test' } as const;

/** Parses the tables of one training, `image,version,p<k>…`, and joins them. */
export function parseArchiveScores(tables: readonly Uint8Array[], name: string): ScoreTable {
  const records = tables.flatMap(rows);
  const columns = scoreColumns(records);
  return {
    name,
    splits: columns.map(column => Number(column.slice(1))),
    rows: records.map(row => ({
      ...{ image: row.image ?? '', version: row.version ?? '' },
      ...UNGRADED,
      p: columns.map(column => Number(row[column])),
    })),
  };
}

/**
 * Predicts the grade of each scored image: mean over its versions, then the run's weights and thresholds.
 * @throws InconsistentScores when a training lacks an image that another has scored, or a split is missing
 */
export function predictStages(
  tables: readonly ScoreTable[],
  model: StageModel,
  regression: WriteSubmissionArgs['regression'],
): ScoredPicture[] {
  const images = new Set(tables.flatMap(({ rows }) => rows.map(({ image }) => image)));
  const folds = [...images].map(image => ({ image, patient: '', ...UNGRADED, version: null }));
  return gradeEyes(joinScores(folds, tables), model, regression).map(({ image, p, expected, predicted }) => {
    return { image, p, expected, level: predicted };
  });
}
