/** What is in each fold, and what of the test fold the networks had seen. */
import { FOLDS, type Fold, type FoldCounts } from '../labels/types.ts';
import type { FoldRow } from './eyes.ts';
import { STAGE_COUNT } from './kappa.ts';
import type { Leak } from './metrics.ts';

/** Patients, eyes and eyes per stage of each fold; an eye with several versions in a fold counts once. */
export function countFolds(rows: readonly FoldRow[]): Record<Fold, FoldCounts> {
  const counts = FOLDS.map((fold): [Fold, FoldCounts] => {
    const inFold = rows.filter(row => row.fold === fold);
    const eyes = new Map(inFold.map(row => [row.image, row.level]));
    const stages = new Array<number>(STAGE_COUNT).fill(0);
    for (const level of eyes.values()) stages[level]!++;
    return [fold, { patients: new Set(inFold.map(row => row.patient)).size, eyes: eyes.size, stages }];
  });
  return Object.fromEntries(counts) as Record<Fold, FoldCounts>;
}

/** A patient with rows in more than one fold; undefined where there is none, as must be for `folds.unit: patient`. */
export function patientInSeveralFolds(rows: readonly FoldRow[]): string | undefined {
  const foldOf = new Map<string, Fold>();
  for (const { patient, fold } of rows) {
    if ((foldOf.get(patient) ?? fold) !== fold) return patient;
    foldOf.set(patient, fold);
  }
  return undefined;
}

/** Share of test records whose eye, and whose patient, is also in the training fold; null without test records. */
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
