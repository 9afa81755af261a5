/** Judges networks and regression on the test fold. */
import type { PipelineInput } from '../../config/input.ts';
import { refit } from './ablation.ts';
import { averagePrecision } from './average-precision.ts';
import { bootstrapByPatient, type Interval, type Statistic } from './bootstrap.ts';
import { brierScore, reliabilityCurve } from './brier.ts';
import { NATURAL_CUTS, stageOf } from './cuts.ts';
import type { FittedModel, PredictedEye } from './fit.ts';
import {
  accuracyOf,
  confusionMatrix,
  kappaStatistic,
  meanAbsoluteError,
  quadraticWeightedKappa,
  recallByStage,
} from './kappa.ts';
import type { Judgement, RegressionMetrics, SplitMetrics, StagingMetrics } from './metrics.ts';
import { stageProbabilities } from './monotone.ts';
import { operatingPoints } from './operating-points.ts';
import { riskCoverage } from './risk-coverage.ts';
import { aucStatistic, ratesAt } from './roc.ts';
import { SPLITS, splitName } from './split-names.ts';

const SAMPLES = 1000;

/** Everything of the judgement that follows from the predictions. */
export function judge(
  predictions: readonly PredictedEye[],
  model: FittedModel,
  settings: PipelineInput['regression'],
  seed: number,
): Omit<Judgement, 'schemaVersion' | 'source' | 'folds' | 'suspectLabels' | 'nearDuplicates'> {
  const validation = predictions.filter(eye => eye.fold === 'validation');
  const test = predictions.filter(eye => eye.fold === 'test');
  const levels = Uint8Array.from(test, eye => eye.level);
  const ways = {
    regression: Uint8Array.from(test, eye => eye.predicted),
    baseline: Uint8Array.from(test, baselineStage),
    argmax: Uint8Array.from(test, mostProbableStage),
  };
  const qwk = {
    regression: kappaStatistic(levels, ways.regression),
    baseline: kappaStatistic(levels, ways.baseline),
    argmax: kappaStatistic(levels, ways.argmax),
  };
  const refitted = refit(predictions, settings, seed).map(({ options, model, predicted }) => ({
    options,
    ridge: model.ridge.strength,
    qwk: kappaStatistic(
      levels,
      predictions.flatMap((eye, i) => (eye.fold === 'test' ? [predicted[i]!] : [])),
    ),
  }));
  const auc = SPLITS.map(k =>
    aucStatistic(
      positives(test, k),
      test.map(eye => eye.p[k]!),
    ),
  );
  const statistics: Record<string, Statistic> = {
    ...qwk,
    ...Object.fromEntries(SPLITS.map(k => [`auc${k}`, auc[k]!])),
    ...Object.fromEntries(refitted.map((row, i) => [`refitted${i}`, row.qwk])),
  };
  const differences: Record<string, [string, string]> = {
    gain: ['regression', 'baseline'],
    ...Object.fromEntries(refitted.map((_, i) => [`gain${i}`, [`refitted${i}`, 'regression']])),
  };
  const once = new Uint16Array(test.length).fill(1);
  const intervals = bootstrapByPatient(
    test.map(eye => eye.patient),
    statistics,
    { samples: SAMPLES, seed, differences },
  );
  const staging = (way: keyof typeof ways) => judgeStaging(levels, ways[way], intervals[way] ?? null);
  const stages = confusionMatrix(levels, levels).map((row, i) => row[i]!);
  const most = stages.indexOf(Math.max(...stages));
  const regression: RegressionMetrics = {
    features: model.features,
    weights: model.weights,
    intercept: model.intercept,
    cuts: model.cuts,
    cutsTuned: model.cutsTuned,
    ridge: model.ridge,
    fittedOn: {
      fold: 'validation',
      patients: new Set(validation.map(eye => eye.patient)).size,
      eyes: validation.length,
      qwk: quadraticWeightedKappa(
        confusionMatrix(
          validation.map(eye => eye.level),
          validation.map(eye => eye.predicted),
        ),
      ),
    },
    ...staging('regression'),
    gain: difference(qwk.regression(once), qwk.baseline(once)),
    gainInterval: intervals.gain ?? null,
  };
  return {
    splits: SPLITS.map(k => judgeSplit(k, validation, test, auc[k]!(), intervals[`auc${k}`] ?? null)),
    regression,
    baseline: staging('baseline'),
    argmax: staging('argmax'),
    majority:
      test.length === 0
        ? { stage: null, accuracy: null, qwk: null }
        : { stage: most, accuracy: stages[most]! / test.length, qwk: 0 },
    ablation: refitted.map(({ options, ridge, qwk: kappa }, i) => ({
      ...options,
      ridge,
      qwk: kappa(once),
      qwkInterval: intervals[`refitted${i}`] ?? null,
      gain: difference(kappa(once), qwk.regression(once)),
      gainInterval: intervals[`gain${i}`] ?? null,
    })),
    riskCoverage: riskCoverage(test),
    intervals: { level: 0.95, method: 'percentile bootstrap by patient', samples: SAMPLES, seed },
  };
}

/** 1 where the eye is worse than stage k. */
export function positives(eyes: readonly { level: number }[], k: number): Uint8Array {
  return Uint8Array.from(eyes, eye => (eye.level > k ? 1 : 0));
}

/** E[y] = Σ P(y>k), rounded: what the four networks say without a regression. */
export function baselineStage(eye: Pick<PredictedEye, 'p'>): number {
  return stageOf(
    eye.p.reduce((sum, p) => sum + p, 0),
    NATURAL_CUTS,
  );
}

export function mostProbableStage(eye: Pick<PredictedEye, 'p'>): number {
  const probabilities = stageProbabilities(eye.p);
  return probabilities.indexOf(Math.max(...probabilities));
}

function difference(a: number | null, b: number | null): number | null {
  return a === null || b === null ? null : a - b;
}

function judgeStaging(levels: Uint8Array, predicted: Uint8Array, qwkInterval: Interval | null): StagingMetrics {
  const confusion = confusionMatrix(levels, predicted);
  return {
    qwk: quadraticWeightedKappa(confusion),
    qwkInterval,
    mae: meanAbsoluteError(confusion),
    accuracy: accuracyOf(confusion),
    confusion,
    recall: recallByStage(confusion),
  };
}

function judgeSplit(
  k: number,
  validation: readonly PredictedEye[],
  test: readonly PredictedEye[],
  auc: number | null,
  aucInterval: Interval | null,
): SplitMetrics {
  const chosenOn = { positive: positives(validation, k), scores: validation.map(eye => eye.p[k]!) };
  const appliedTo = { positive: positives(test, k), scores: test.map(eye => eye.p[k]!) };
  const { positive, scores } = appliedTo;
  const { accuracy, sensitivity, specificity } = ratesAt(positive, scores, 0.5);
  const count = positive.reduce((sum, yes) => sum + yes, 0);
  return {
    k,
    name: splitName(k),
    auc,
    aucInterval,
    averagePrecision: averagePrecision(positive, scores),
    brier: brierScore(positive, scores),
    reliability: reliabilityCurve(positive, scores),
    accuracy,
    balancedAccuracy: sensitivity === null || specificity === null ? null : (sensitivity + specificity) / 2,
    majorityAccuracy: test.length === 0 ? null : Math.max(count, test.length - count) / test.length,
    sensitivity,
    specificity,
    operatingPoints: operatingPoints(chosenOn, appliedTo),
    positives: count,
    negatives: test.length - count,
  };
}
