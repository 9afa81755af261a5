/** Deals eyes into the training, validation and test folds. */
import type { PipelineInput, Version } from '../../config/input.ts';
import { seededShuffle } from './seeded.ts';
import { FOLDS, type Fold, type FoldCounts } from './types.ts';

/** A labelled picture: one eye of one patient. */
export interface Eye {
  /** `10_left` */
  image: string;
  /** 0–4 */
  stage: number;
}

/** An eye in its fold, or, for `folds.unit: record`, one version of it. */
export interface FoldRow extends Eye {
  patient: string;
  fold: Fold;
  /** Null when all versions of the eye share the fold. */
  version: Version | null;
}

/** `10` of `10_left`: the first digits of the name, as the pattern of the archive has it; the whole name where there are none. */
export function patientOf(image: string): string {
  return /\d+/.exec(image)?.[0] ?? image;
}

const collator = new Intl.Collator('en', { numeric: true });

/** By the number of the patient, then by name: `2_left`, `10_left`, `10_right`. */
export function byPatient(a: { image: string }, b: { image: string }): number {
  return collator.compare(a.image, b.image) || Number(a.image > b.image) - Number(a.image < b.image);
}

/**
 * @param eyes in any order; the answer is the same for all of them
 * @returns rows by patient, eye and version
 */
export function assignFolds(
  eyes: readonly Eye[],
  folds: PipelineInput['folds'],
  versions: readonly Version[],
): FoldRow[] {
  const rows = folds.unit === 'patient' ? byPatients(eyes, folds) : byRecords(eyes, folds, versions);
  return rows.sort(
    (a, b) => byPatient(a, b) || versions.indexOf(a.version ?? 'a') - versions.indexOf(b.version ?? 'a'),
  );
}

/**
 * Both eyes of a patient are as good as two pictures of one: the stage of one predicts the other's better than any network does.
 * So patients are dealt, within strata of the worse eye's stage.
 *
 * Each stratum is put in an order of chance that belongs to the patients themselves, and cut by the shares. A threshold on each
 * patient's number would never move anybody when pictures are added, but leaves small folds without the rare stages; cutting
 * the ranks gives every fold its share of every stage, and moves only the few patients next to a cut.
 */
function byPatients(eyes: readonly Eye[], folds: PipelineInput['folds']): FoldRow[] {
  const worst = new Map<string, number>();
  for (const { image, stage } of eyes) {
    const patient = patientOf(image);
    worst.set(patient, Math.max(stage, worst.get(patient) ?? 0));
  }
  const foldOf = new Map<string, Fold>();
  for (const stage of new Set(worst.values())) {
    const stratum = [...worst.keys()].filter(patient => worst.get(patient) === stage);
    const order = seededShuffle(stratum, folds.seed, 'fold', patient => patient);
    const cuts = cut(order.length, folds);
    for (const [rank, patient] of order.entries()) foldOf.set(patient, foldAt(rank, cuts));
  }
  return eyes.map(({ image, stage }) => {
    const patient = patientOf(image);
    return { image, stage, patient, fold: foldOf.get(patient)!, version: null };
  });
}

/** The shuffle of 2015: versions of one eye lie in several folds, and the network is judged on what it has seen. */
function byRecords(eyes: readonly Eye[], folds: PipelineInput['folds'], versions: readonly Version[]): FoldRow[] {
  const records = eyes.flatMap(({ image, stage }) =>
    versions.map(version => ({ image, stage, patient: patientOf(image), version })),
  );
  const order = seededShuffle(records, folds.seed, 'fold', ({ image, version }) => `${image}.${version}`);
  const cuts = cut(order.length, folds);
  return order.map((record, rank) => ({ ...record, fold: foldAt(rank, cuts) }));
}

/** How many of `n` go to the test and validation folds: their shares, and one at least where the training fold keeps one too. */
function cut(n: number, { test, validation }: PipelineInput['folds']): { test: number; validation: number } {
  const tests = Math.min(Math.max(Math.round(n * test), 1), Math.max(n - 1, 0));
  const validations = Math.min(Math.max(Math.round(n * validation), 1), Math.max(n - 1 - tests, 0));
  return { test: tests, validation: validations };
}

function foldAt(rank: number, { test, validation }: { test: number; validation: number }): Fold {
  if (rank < test) return 'test';
  return rank < test + validation ? 'validation' : 'train';
}

/** Patients with rows in more than one fold. Must be none for `folds.unit: patient`. */
export function patientsInSeveralFolds(rows: readonly FoldRow[]): string[] {
  const foldOf = new Map<string, Fold>();
  const several = new Set<string>();
  for (const { patient, fold } of rows) {
    if ((foldOf.get(patient) ?? fold) !== fold) several.add(patient);
    foldOf.set(patient, fold);
  }
  return [...several];
}

/** Patients and eyes of each fold; with `folds.unit: record` they count in every fold that holds some of their records. */
export function countFolds(rows: readonly FoldRow[]): Record<Fold, FoldCounts> {
  const count = (fold: Fold): FoldCounts => {
    const inFold = rows.filter(row => row.fold === fold);
    const eyes = new Map(inFold.map(({ image, stage }) => [image, stage]));
    const stages = [0, 0, 0, 0, 0];
    for (const stage of eyes.values()) stages[stage]!++;
    return { patients: new Set(inFold.map(({ patient }) => patient)).size, eyes: eyes.size, stages };
  };
  return Object.fromEntries(FOLDS.map(fold => [fold, count(fold)])) as Record<Fold, FoldCounts>;
}
