/** Compares two or more runs: the inputs that differ, and the differences of the figures with their intervals. Pure. */

import { SPLITS } from '../../config/grades.ts';
import type { PipelineInput } from '../../config/input.ts';
import { aucStatistic } from '../../lib/roc.ts';
import { patientOf } from '../labels/folds.ts';
import { bootstrapByPatient, difference, type Interval, type Statistic } from '../regression/bootstrap.ts';
import { kappaStatistic } from '../regression/kappa.ts';
import type { ReadPrediction } from '../regression/tables.ts';
import type { Metrics } from './types.ts';

export interface ComparedRun {
  run: string;
  input: PipelineInput;
  metrics: Metrics;
  predictions: ReadPrediction[];
}

export const FIGURES = ['qwk', 'auc0', 'auc1', 'auc2', 'auc3', 'accuracy0', 'accuracy', 'mae'] as const;
export type Figure = (typeof FIGURES)[number];

export interface Measured {
  value: number | null;
  interval: Interval | null;
}

export interface RunFigures {
  run: string;
  source: string;
  /** Number of test eyes, and of their patients. */
  eyes: number;
  patients: number;
  /** Figures of the run's report, in which accuracy and mean absolute error have no interval. */
  figures: Record<Figure, Measured>;
}

/** Figures of a run minus those of the first run, on the test eyes of both. */
export interface Difference {
  run: string;
  over: string;
  eyes: number;
  patients: number;
  /** Reason why the two runs cannot be paired; null where they are. */
  unpaired: string | null;
  figures: Record<Figure, Measured>;
}

/** Output of `retinopathy compare --json`. */
export interface Comparison {
  schemaVersion: 1;
  /** Fields of the inputs (and `versions.…`) that differ between the runs, with the value in each; null where it is absent. */
  inputs: { field: string; values: unknown[] }[];
  runs: RunFigures[];
  differences: Difference[];
  intervals: { level: 0.95; method: 'paired percentile bootstrap by patient'; samples: number; seed: number };
}

const SAMPLES = 1000;
const SEED = 1;

/** Compares runs with the first one. @param runs two or more */
export async function compareRuns(runs: readonly ComparedRun[]): Promise<Comparison> {
  const [first, ...others] = runs as [ComparedRun, ...ComparedRun[]];
  return {
    schemaVersion: 1,
    inputs: differingFields(runs.map(({ input, metrics }) => flatten({ ...input, versions: metrics.versions }))),
    runs: runs.map(figuresOf),
    differences: await Promise.all(others.map(other => differenceOf(other, first))),
    intervals: { level: 0.95, method: 'paired percentile bootstrap by patient', samples: SAMPLES, seed: SEED },
  };
}

function figuresOf({ run, metrics }: ComparedRun): RunFigures {
  const { regression, splits, folds, source } = metrics;
  const aucs = splits.map(({ k, auc, aucInterval }) => [`auc${k}`, { value: auc, interval: aucInterval }] as const);
  return {
    ...{ run, source, eyes: folds.test.eyes, patients: folds.test.patients },
    figures: {
      qwk: { value: regression.qwk, interval: regression.qwkInterval },
      ...(Object.fromEntries(aucs) as Record<`auc${0 | 1 | 2 | 3}`, Measured>),
      accuracy0: { value: splits.find(({ k }) => k === 0)?.accuracy ?? null, interval: null },
      accuracy: { value: regression.accuracy, interval: null },
      mae: { value: regression.mae, interval: null },
    },
  };
}

async function differenceOf(run: ComparedRun, over: ComparedRun): Promise<Difference> {
  const { pairs: eyes, unpaired } = pairsOf(run, over);
  const patients = eyes.map(([eye]) => patientOf(eye.image));
  const own = statisticsOf(eyes.map(([eye]) => eye));
  const others = statisticsOf(eyes.map(([, eye]) => eye));
  const byFigure = FIGURES.map(figure => [figure, difference(own[figure], others[figure])]);
  const differences = Object.fromEntries(byFigure) as Record<Figure, Statistic>;
  const intervals = await bootstrapByPatient(patients, differences, { samples: SAMPLES, seed: SEED });
  const once = new Uint16Array(eyes.length).fill(1);
  const measured = FIGURES.map((figure): [Figure, Measured] => {
    const value = differences[figure](once);
    return [figure, { value, interval: value === null ? null : intervals[figure] }];
  });
  return {
    ...{ run: run.run, over: over.run, eyes: eyes.length, patients: new Set(patients).size, unpaired },
    figures: Object.fromEntries(measured) as Record<Figure, Measured>,
  };
}

interface Pairs {
  pairs: [ReadPrediction, ReadPrediction][];
  unpaired: string | null;
}

/** Pairs the test eyes of both runs by name, or says why they cannot be paired. Equal names alone do not make two eyes the same. */
function pairsOf(a: ComparedRun, b: ComparedRun): Pairs {
  const no = (unpaired: string): Pairs => ({ pairs: [], unpaired });
  const madeUp = [a, b].map(({ input }) => input.source === 'synthetic');
  const sameDrawing = JSON.stringify(a.input.synthetic) === JSON.stringify(b.input.synthetic);
  if (madeUp[0] !== madeUp[1] || (madeUp[0] && !sameDrawing)) return no('their pictures are not the same');
  const keyOf = ({ image, version }: ReadPrediction) => `${image} ${version}`;
  const isTest = ({ fold }: ReadPrediction) => fold === 'test';
  const others = new Map(b.predictions.filter(isTest).map(eye => [keyOf(eye), eye]));
  const pairs = a.predictions.filter(isTest).flatMap((eye): Pairs['pairs'] => {
    const other = others.get(keyOf(eye));
    return other === undefined ? [] : [[eye, other]];
  });
  const sameUnit = a.input.folds.unit === b.input.folds.unit;
  if (pairs.length === 0)
    return no(sameUnit ? 'their test folds have no eye in common' : 'one judges eyes and the other records');
  if (pairs.some(([x, y]) => x.level !== y.level)) return no('their pictures are graded differently');
  return { pairs, unpaired: null };
}

function statisticsOf(eyes: readonly ReadPrediction[]): Record<Figure, Statistic> {
  const levels = eyes.map(eye => eye.level);
  const predicted = eyes.map(eye => eye.predicted);
  const auc = SPLITS.map(k => [
    `auc${k}`,
    aucStatistic(
      levels.map(level => (level > k ? 1 : 0)),
      eyes.map(eye => eye.p[k]!),
    ),
  ]);
  return {
    qwk: kappaStatistic(levels, predicted),
    ...(Object.fromEntries(auc) as Record<`auc${0 | 1 | 2 | 3}`, Statistic>),
    accuracy0: meanStatistic(eyes.map(({ p, level }) => (p[0]! >= 0.5 === level > 0 ? 1 : 0))),
    accuracy: meanStatistic(eyes.map(eye => (eye.predicted === eye.level ? 1 : 0))),
    mae: meanStatistic(eyes.map(eye => Math.abs(eye.predicted - eye.level))),
  };
}

function meanStatistic(values: readonly number[]): Statistic {
  return weights => {
    let sum = 0;
    let eyes = 0;
    for (const [i, value] of values.entries()) {
      sum += value * weights[i]!;
      eyes += weights[i]!;
    }
    return eyes === 0 ? null : sum / eyes;
  };
}

function differingFields(inputs: readonly ReadonlyMap<string, unknown>[]): Comparison['inputs'] {
  const fields = [...new Set(inputs.flatMap(input => [...input.keys()]))];
  return fields.flatMap(field => {
    const values = inputs.map(input => input.get(field) ?? null);
    const same = new Set(values.map(value => JSON.stringify(value))).size === 1;
    return same ? [] : [{ field, values }];
  });
}

/** Flattens nested fields to paths: `training.epochs` → 8. Lists are values. */
function flatten(value: object, path = ''): Map<string, unknown> {
  const fields = new Map<string, unknown>();
  for (const [name, one] of Object.entries(value)) {
    const at = path ? `${path}.${name}` : name;
    if (typeof one !== 'object' || one === null || Array.isArray(one)) fields.set(at, one);
    else for (const [below, deep] of flatten(one, at)) fields.set(below, deep);
  }
  return fields;
}
