/** Joins the folds with the scores of the networks: one row for each eye that no network trained on. */
import type { Fold } from '../labels/types.ts';
import type { Leak } from './metrics.ts';

/** A row of folds.csv. */
export interface FoldRow {
  image: string;
  patient: string;
  level: number;
  fold: Fold;
  /** Only for `folds.unit: record`. */
  version: string | null;
}

/** Scores of one training: P(y>k) of each record for each of the training's splits. */
export interface ScoreTable {
  /** File that it was read from, for error messages. */
  name: string;
  /** Splits that have a column. */
  splits: number[];
  rows: { image: string; version: string; level: number; fold: Fold; p: number[] }[];
}

/** An eye (or, for `folds.unit: record`, one version of it) of the validation or test fold. */
export interface ScoredEye {
  image: string;
  version: string | null;
  patient: string;
  level: number;
  fold: 'validation' | 'test';
  /** P(y>k) for k = 0 … 3, mean over the versions. */
  p: number[];
  /** Standard deviation of each P(y>k) over the versions (variance divided by n); 0 for a single version. */
  spread: number[];
  /** P(y>k) of the first version alone. */
  first: number[];
  /** Number of versions in the mean. */
  versions: number;
}

/** Contradiction between the stored files of a run, which only a defect of the software can cause. */
export class InconsistentScores extends Error {
  override readonly name = 'InconsistentScores';
}

/**
 * Returns the eyes of the validation and test folds in the order of the folds, each with its four probabilities.
 * @throws InconsistentScores when a split is missing or duplicated, an eye has no score, or grade or fold of a score differ
 */
export function joinScores(folds: readonly FoldRow[], tables: readonly ScoreTable[]): ScoredEye[] {
  const eyes = folds.flatMap((row): ScoredEye[] =>
    row.fold === 'train'
      ? []
      : [{ ...row, fold: row.fold, p: [0, 0, 0, 0], spread: [0, 0, 0, 0], first: [0, 0, 0, 0], versions: 0 }],
  );
  const keyOf = (row: { image: string; version: string | null }) => `${row.image} ${row.version}`;
  const byKey = new Map(eyes.map((eye, at) => [keyOf(eye), at]));
  const perRecord = folds.some(row => row.version !== null);
  const scored = new Set<number>();
  for (const table of tables) {
    const versions = new Uint32Array(eyes.length);
    const eyeOf = new Array<ScoredEye>(table.rows.length);
    for (const [i, row] of table.rows.entries()) {
      const at = byKey.get(keyOf(perRecord ? row : { image: row.image, version: null }));
      const eye = at === undefined ? undefined : eyes[at]!;
      if (at === undefined || eye === undefined || eye.fold !== row.fold || eye.level !== row.level) {
        const found = eye === undefined ? 'none of it there' : `stage ${eye.level} in fold ${eye.fold} there`;
        throw new InconsistentScores(
          `Expected ${row.image} of ${table.name} (stage ${row.level}, fold ${row.fold}) to be in folds.csv, got ${found}`,
        );
      }
      table.splits.forEach((k, column) => {
        eye.p[k]! += row.p[column]!;
        if (versions[at] === 0) eye.first[k] = row.p[column]!;
      });
      eyeOf[i] = eye;
      versions[at]!++;
    }
    eyes.forEach((eye, at) => {
      if (versions[at] === 0) {
        throw new InconsistentScores(`Expected a score of ${eye.image} (${eye.fold}) in ${table.name}, got none`);
      }
      eye.versions = versions[at]!;
      for (const k of table.splits) eye.p[k]! /= eye.versions;
    });
    // Computed from the mean, not from the sum of squares, so that constant values have a spread of exactly zero.
    for (const [i, row] of table.rows.entries()) {
      const eye = eyeOf[i]!;
      table.splits.forEach((k, column) => {
        eye.spread[k]! += (row.p[column]! - eye.p[k]!) ** 2 / eye.versions;
      });
    }
    for (const eye of eyes) for (const k of table.splits) eye.spread[k] = Math.sqrt(eye.spread[k]!);
    for (const k of table.splits) {
      if (scored.has(k)) throw new InconsistentScores(`Expected split ${k} once, got it again in ${table.name}`);
      scored.add(k);
    }
  }
  for (const k of [0, 1, 2, 3]) {
    if (!scored.has(k)) throw new InconsistentScores(`Expected scores of splits 0 to 3, got none of split ${k}`);
  }
  return eyes;
}

/** Returns the shares of test records whose eye, and whose patient, is also in the training fold; null without test records. */
export function measureLeak(rows: readonly FoldRow[]): Leak {
  const train = rows.filter(row => row.fold === 'train');
  const test = rows.filter(row => row.fold === 'test');
  if (test.length === 0) return { eyes: null, patients: null };
  const eyes = new Set(train.map(row => row.image));
  const patients = new Set(train.map(row => row.patient));
  return {
    eyes: test.filter(row => eyes.has(row.image)).length / test.length,
    patients: test.filter(row => patients.has(row.patient)).length / test.length,
  };
}
