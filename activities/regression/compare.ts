/** Two or more runs side by side: what was asked differently, and whether the figures differ by more than chance. Pure. */
import type { PipelineInput } from '../../config/input.ts';
import { patientOf } from '../labels/folds.ts';
import { bootstrapByPatient, type Interval, type Statistic } from './bootstrap.ts';
import { kappaStatistic } from './kappa.ts';
import type { Metrics } from './metrics.ts';
import { aucStatistic } from './roc.ts';
import { SPLITS } from './split-names.ts';
import type { ReadPrediction } from './tables.ts';

export interface ComparedRun {
  run: string;
  input: PipelineInput;
  metrics: Metrics;
  predictions: ReadPrediction[];
}

export const FIGURES = ['qwk', 'auc0', 'auc1', 'auc2', 'auc3', 'accuracy', 'mae'] as const;
export type Figure = (typeof FIGURES)[number];

export interface Measured {
  value: number | null;
  interval: Interval | null;
}

export interface RunFigures {
  run: string;
  source: string;
  /** Test eyes, and their patients. */
  eyes: number;
  patients: number;
  /** As its report has them: accuracy and mean absolute error have no interval there. */
  figures: Record<Figure, Measured>;
}

/** What a run has more than the first one, on the test eyes that both have. */
export interface Difference {
  run: string;
  over: string;
  eyes: number;
  patients: number;
  /** Why the two cannot be paired; null where they are. */
  unpaired: string | null;
  figures: Record<Figure, Measured>;
}

/** What `retinopathy compare --json` prints. */
export interface Comparison {
  schemaVersion: 1;
  /** Fields of the inputs (and `versions.…`) that are not the same in all runs, with the value in each; null where it is absent. */
  inputs: { field: string; values: unknown[] }[];
  runs: RunFigures[];
  differences: Difference[];
  intervals: { level: 0.95; method: 'paired percentile bootstrap by patient'; samples: number; seed: number };
}

const SAMPLES = 1000;
const SEED = 1;

/** @param runs two or more; the others are compared with the first */
export function compareRuns(runs: readonly ComparedRun[]): Comparison {
  const [first, ...others] = runs as [ComparedRun, ...ComparedRun[]];
  return {
    schemaVersion: 1,
    inputs: differingFields(runs.map(({ input, metrics }) => flatten({ ...input, versions: metrics.versions }))),
    runs: runs.map(figuresOf),
    differences: others.map(other => differenceOf(other, first)),
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
      accuracy: { value: regression.accuracy, interval: null },
      mae: { value: regression.mae, interval: null },
    },
  };
}

function differenceOf(run: ComparedRun, over: ComparedRun): Difference {
  const pairs = pairsOf(run, over);
  const unpaired = typeof pairs === 'string' ? pairs : null;
  const eyes = typeof pairs === 'string' ? [] : pairs;
  const patients = eyes.map(([eye]) => patientOf(eye.image));
  const own = statisticsOf(eyes.map(([eye]) => eye));
  const others = statisticsOf(eyes.map(([, eye]) => eye));
  const named = (prefix: string, of: Record<Figure, Statistic>) =>
    Object.fromEntries(FIGURES.map(figure => [`${prefix} ${figure}`, of[figure]]));
  const intervals = bootstrapByPatient<string, Figure>(
    patients,
    { ...named('own', own), ...named('other', others) },
    {
      ...{ samples: SAMPLES, seed: SEED },
      differences: Object.fromEntries(
        FIGURES.map(figure => [figure, [`own ${figure}`, `other ${figure}`] as const]),
      ) as Record<Figure, readonly [string, string]>,
    },
  );
  const once = new Uint16Array(eyes.length).fill(1);
  const measured = FIGURES.map((figure): [Figure, Measured] => {
    const [a, b] = [own[figure](once), others[figure](once)];
    const value = a === null || b === null ? null : a - b;
    return [figure, { value, interval: value === null ? null : (intervals[figure] ?? null) }];
  });
  return {
    ...{ run: run.run, over: over.run, eyes: eyes.length, patients: new Set(patients).size, unpaired },
    figures: Object.fromEntries(measured) as Record<Figure, Measured>,
  };
}

/** The test eyes that both have, or why there are none to pair. Names alone do not make two eyes the same. */
function pairsOf(a: ComparedRun, b: ComparedRun): [ReadPrediction, ReadPrediction][] | string {
  const madeUp = [a, b].map(({ input }) => input.source === 'synthetic');
  const sameDrawing = JSON.stringify(a.input.synthetic) === JSON.stringify(b.input.synthetic);
  if (madeUp[0] !== madeUp[1] || (madeUp[0] && !sameDrawing)) return 'their pictures are not the same';
  const keyOf = ({ image, version }: ReadPrediction) => `${image} ${version}`;
  const isTest = ({ fold }: ReadPrediction) => fold === 'test';
  const others = new Map(b.predictions.filter(isTest).map(eye => [keyOf(eye), eye]));
  const pairs = a.predictions.filter(isTest).flatMap((eye): [ReadPrediction, ReadPrediction][] => {
    const other = others.get(keyOf(eye));
    return other === undefined ? [] : [[eye, other]];
  });
  if (pairs.length === 0) {
    return a.input.folds.unit === b.input.folds.unit
      ? 'their test folds have no eye in common'
      : 'one judges eyes and the other records';
  }
  return pairs.some(([x, y]) => x.level !== y.level) ? 'their pictures are graded differently' : pairs;
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

/** `training.epochs` → 8; lists are values. */
function flatten(value: object, path = ''): Map<string, unknown> {
  const fields = new Map<string, unknown>();
  for (const [name, one] of Object.entries(value)) {
    const at = path ? `${path}.${name}` : name;
    if (typeof one !== 'object' || one === null || Array.isArray(one)) fields.set(at, one);
    else for (const [below, deep] of flatten(one, at)) fields.set(below, deep);
  }
  return fields;
}
