/** Evaluates the networks and the regression on the test fold. */

import { SPLITS, splitName } from '../../config/grades.ts';
import type { PipelineInput } from '../../config/input.ts';
import { aucStatistic, averagePrecision, ratesAt } from '../../lib/roc.ts';
import { bootstrapByPatient, difference, type Interval, type Statistic } from './bootstrap.ts';
import { brierScore, reliabilityCurve } from './brier.ts';
import { type FittedModel, type PredictedEye, refit } from './fit.ts';
import {
  accuracyOf,
  confusionMatrix,
  kappaStatistic,
  meanAbsoluteError,
  quadraticWeightedKappa,
  recallByStage,
} from './kappa.ts';
import type { Judgement, RegressionMetrics, SplitMetrics, StagingMetrics } from './metrics.ts';
import { operatingPoints } from './operating-points.ts';
import { stageProbabilities } from './predict-grade.ts';
import { riskCoverage } from './risk-coverage.ts';
import { NATURAL_CUTS, stageOf } from './thresholds.ts';

const SAMPLES = 1000;

/** Computes the part of the evaluation that follows from the predictions. */
export async function judge(
  predictions: readonly PredictedEye[],
  model: FittedModel,
  settings: PipelineInput['regression'],
  seed: number,
): Promise<Omit<Judgement, 'schemaVersion' | 'source' | 'folds' | 'suspectLabels' | 'nearDuplicates'>> {
  const validation = predictions.filter(eye => eye.fold === 'validation');
  const test = predictions.filter(eye => eye.fold === 'test');
  const levels = Uint8Array.from(test, eye => eye.level);
  const ways = {
    regression: Uint8Array.from(test, eye => eye.predicted),
    baseline: Uint8Array.from(test, baselineStage),
    argmax: Uint8Array.from(test, mostProbableStage),
  };
  const kappa = (predicted: ArrayLike<number>) => kappaStatistic(levels, predicted);
  const qwk = { regression: kappa(ways.regression), baseline: kappa(ways.baseline), argmax: kappa(ways.argmax) };
  const refitted = (await refit(predictions, settings, seed)).map(({ options, model, predictions: again }) => ({
    options,
    ridge: model.ridge.strength,
    qwk: kappa(again.filter(eye => eye.fold === 'test').map(eye => eye.predicted)),
  }));
  const scores = SPLITS.map(k => test.map(eye => eye.p[k]!));
  const auc = SPLITS.map(k => aucStatistic(positives(test, k), scores[k]!));
  const statistics: Record<string, Statistic> = {
    ...qwk,
    ...Object.fromEntries(SPLITS.map(k => [`auc${k}`, auc[k]!])),
    ...Object.fromEntries(refitted.map((row, i) => [`refitted${i}`, row.qwk])),
    gain: difference(qwk.regression, qwk.baseline),
    ...Object.fromEntries(refitted.map((row, i) => [`gain${i}`, difference(row.qwk, qwk.regression)])),
  };
  const value = (name: string) => statistics[name]!(once);
  const once = new Uint16Array(test.length).fill(1);
  const intervals = await bootstrapByPatient(
    test.map(eye => eye.patient),
    statistics,
    { samples: SAMPLES, seed },
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
    gain: value('gain'),
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
    ablation: refitted.map(({ options, ridge }, i) => ({
      ...options,
      ridge,
      qwk: value(`refitted${i}`),
      qwkInterval: intervals[`refitted${i}`] ?? null,
      gain: value(`gain${i}`),
      gainInterval: intervals[`gain${i}`] ?? null,
    })),
    riskCoverage: riskCoverage(test),
    intervals: { level: 0.95, method: 'percentile bootstrap by patient', samples: SAMPLES, seed },
  };
}

/** Returns 1 for each eye whose grade is above k, else 0. */
export function positives(eyes: readonly { level: number }[], k: number): Uint8Array {
  return Uint8Array.from(eyes, eye => (eye.level > k ? 1 : 0));
}

/** Returns the grade without a regression: E[y] = Σ P(y>k), rounded. */
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
