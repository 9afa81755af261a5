/** Assigns eyes to the training, validation and test folds. */

import { SPLITS, splitName } from '../../config/grades.ts';
import type { PipelineInput, Version } from '../../config/input.ts';
import { seededShuffle } from '../../lib/random.ts';
import {
  type DatabasePlan,
  isTrainingDatabase,
  parseRecord,
  TEST_DATABASE,
  VALIDATION_DATABASE,
} from './database-plan.ts';
import { FOLDS, type Fold, type FoldCounts } from './types.ts';

/** A labeled image: one eye of one patient. */
export interface Eye {
  /** `10_left` */
  image: string;
  /** Grade, 0–4. */
  stage: number;
}

/** An eye in its fold, or, for `folds.unit: record`, one version of it. */
export interface FoldRow extends Eye {
  patient: string;
  fold: Fold;
  /** Null when all versions of the eye share the fold. */
  version: Version | null;
}

/** Returns `10` for `10_left`: the first digits of the name, as in the archive's pattern. Without digits it is the whole name. */
export function patientOf(image: string): string {
  return /\d+/.exec(image)?.[0] ?? image;
}

const collator = new Intl.Collator('en', { numeric: true });

/** Orders by the number of the patient, then by name: `2_left`, `10_left`, `10_right`. */
export function byPatient(a: { image: string }, b: { image: string }): number {
  return collator.compare(a.image, b.image) || Number(a.image > b.image) - Number(a.image < b.image);
}

/**
 * Assigns each eye, or each version of it, to a fold.
 * @param eyes in any order, which does not change the result
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
 * Assigns patients to folds, within strata of the worse eye's grade. Both eyes of a patient are like two images of one eye. The grade of
 * one predicts the other's better than any network does. Each stratum is put in a random order that depends on the patients alone, and cut
 * by the shares. A threshold on each patient's number would never move a patient when images are added. But it would leave small folds
 * without the rare grades. Cutting the ranks gives every fold its share of every grade, and moves only the few patients next to a cut.
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

/**
 * Assigns versions to folds, like the shuffle of 2015. Several folds hold versions of the same eye, so the network is evaluated on eyes
 * that it has seen.
 */
function byRecords(eyes: readonly Eye[], folds: PipelineInput['folds'], versions: readonly Version[]): FoldRow[] {
  const records = eyes.flatMap(({ image, stage }) =>
    versions.map(version => ({ image, stage, patient: patientOf(image), version })),
  );
  const order = seededShuffle(records, folds.seed, 'fold', ({ image, version }) => `${image}.${version}`);
  const cuts = cut(order.length, folds);
  return order.map((record, rank) => ({ ...record, fold: foldAt(rank, cuts) }));
}

/**
 * Returns the numbers of `n` that go to the test and validation folds. Each gets its share, and at least one where the training fold keeps
 * one too.
 */
function cut(n: number, { test, validation }: PipelineInput['folds']): { test: number; validation: number } {
  const tests = Math.min(Math.max(Math.round(n * test), 1), Math.max(n - 1, 0));
  const validations = Math.min(Math.max(Math.round(n * validation), 1), Math.max(n - 1 - tests, 0));
  return { test: tests, validation: validations };
}

function foldAt(rank: number, { test, validation }: { test: number; validation: number }): Fold {
  if (rank < test) return 'test';
  return rank < test + validation ? 'validation' : 'train';
}

/** Returns the patients with rows in more than one fold. There must be none for `folds.unit: patient`. */
export function patientsInSeveralFolds(rows: readonly Pick<FoldRow, 'patient' | 'fold'>[]): string[] {
  const foldOf = new Map<string, Fold>();
  const several = new Set<string>();
  for (const { patient, fold } of rows) {
    if ((foldOf.get(patient) ?? fold) !== fold) several.add(patient);
    foldOf.set(patient, fold);
  }
  return [...several];
}

/** Counts the patients and eyes of each fold. With `folds.unit: record` they count in every fold that holds some of their records. */
export function countFolds(rows: readonly Omit<FoldRow, 'version'>[]): Record<Fold, FoldCounts> {
  const count = (fold: Fold): FoldCounts => {
    const inFold = rows.filter(row => row.fold === fold);
    const eyes = new Map(inFold.map(({ image, stage }) => [image, stage]));
    const stages = [0, 0, 0, 0, 0];
    for (const stage of eyes.values()) stages[stage]!++;
    return { patients: new Set(inFold.map(({ patient }) => patient)).size, eyes: eyes.size, stages };
  };
  return Object.fromEntries(FOLDS.map(fold => [fold, count(fold)])) as Record<Fold, FoldCounts>;
}

/** Returns the CSV `image,patient,level,fold`, with `version` as the last column for `folds.unit: record`. */
export function formatFolds(rows: readonly FoldRow[]): string {
  const versions = rows.some(({ version }) => version !== null);
  const lines = rows.map(
    ({ image, patient, stage, fold, version }) =>
      `${image},${patient},${stage},${fold}${versions ? `,${version}` : ''}\n`,
  );
  return `image,patient,level,fold${versions ? ',version' : ''}\n${lines.join('')}`;
}

/**
 * Returns the text files of the four splits, by name. `split-k/{train,val,test}.tsv` have a line `10_left.a.png<TAB>0` for each
 * record, in the order of the databases; the label is 1 where the grade is above k. Line n of `split-k/labels.txt` names label n, from 0.
 */
export function splitLists({ databases }: DatabasePlan): Record<string, string> {
  const of = (belongs: (name: string) => boolean) =>
    Object.keys(databases)
      .filter(belongs)
      .flatMap(name => databases[name]!)
      .map(line => {
        const { stage } = parseRecord(line);
        return { file: line.slice(0, line.lastIndexOf(' ')), stage };
      });
  const records = {
    train: of(isTrainingDatabase),
    val: of(name => name === VALIDATION_DATABASE),
    test: of(name => name === TEST_DATABASE),
  };
  const lists: Record<string, string> = {};
  for (const k of SPLITS) {
    for (const [name, list] of Object.entries(records)) {
      lists[`split-${k}/${name}.tsv`] = list.map(({ file, stage }) => `${file}\t${stage > k ? 1 : 0}\n`).join('');
    }
    lists[`split-${k}/labels.txt`] = `${splitName(k).replace('/', '\n')}\n`;
  }
  return lists;
}
