/** Contents of `regression.json` and `metrics.json`. A figure that cannot be computed is null. Types only. */
import type { PipelineInput } from '../../config/input.ts';
import type { Fold, FoldCounts } from '../labels/types.ts';
import type { Interval } from './bootstrap.ts';
import type { ReliabilityBin } from './brier.ts';
import type { FeatureOptions } from './features.ts';
import type { Confusion } from './kappa.ts';
import type { OperatingPoint } from './operating-points.ts';
import type { RiskCoveragePoint } from './risk-coverage.ts';

/** Metrics of one of the four networks (or heads) on the test fold. */
export interface SplitMetrics {
  k: number;
  /** `<0..k>/<k+1..4>` */
  name: string;
  auc: number | null;
  /** 95 % interval by a bootstrap over patients. */
  aucInterval: Interval | null;
  averagePrecision: number | null;
  brier: number | null;
  /** Calibration of P(y>k): ten bins of it with the share of positives; empty bins are left out. */
  reliability: ReliabilityBin[];
  /** Accuracy at P(y>k) ≥ 0.5, as are `sensitivity` and `specificity`. */
  accuracy: number | null;
  balancedAccuracy: number | null;
  /** Accuracy of always predicting the more frequent class. */
  majorityAccuracy: number | null;
  sensitivity: number | null;
  specificity: number | null;
  operatingPoints: OperatingPoint[];
  positives: number;
  negatives: number;
}

/** Metrics of one method of grading eyes, on the test fold. */
export interface StagingMetrics {
  qwk: number | null;
  qwkInterval: Interval | null;
  /** Mean absolute error in grades. */
  mae: number | null;
  accuracy: number | null;
  confusion: Confusion;
  /** Recall of each grade. */
  recall: (number | null)[];
}

export interface RegressionMetrics extends StagingMetrics {
  /** `p0` … `p3`, then `spread.p0` … `spread.p3` with the spread, then `fellow.p0` … `fellow.p3` with the fellow eye. */
  features: string[];
  weights: number[];
  intercept: number;
  cuts: number[];
  cutsTuned: boolean;
  ridge: { strength: number; by: 'cross-validation' | 'input' | 'default' };
  /** Eyes that weights, intercept, ridge strength and thresholds were fitted on. */
  fittedOn: { fold: 'validation'; patients: number; eyes: number; qwk: number | null };
  /** Kappa of the regression minus that of the baseline on the same eyes, with its interval. */
  gain: number | null;
  gainInterval: Interval | null;
}

/** Shares of test records whose eye, or whose patient, is also in the training fold; null without test records. */
export interface Leak {
  eyes: number | null;
  patients: number | null;
}

/** Regression refitted with fewer or more features than the run's own, evaluated on the same test eyes. */
export interface AblationRow extends FeatureOptions {
  /** Ridge strength of this fit. With `ridge: auto` it is chosen again. */
  ridge: number;
  qwk: number | null;
  qwkInterval: Interval | null;
  /** Kappa minus that of the run's own regression, on the same samples of patients. */
  gain: number | null;
  gainInterval: Interval | null;
}

/** Counts of near-identical images of different patients in different folds. */
export interface NearDuplicateCounts {
  /** Images with a perceptual hash. */
  pictures: number;
  pairs: number;
  /** Pairs of a training and a test image. Each is a leak that folds by patient do not prevent. */
  trainTest: number;
  /** Maximum number of differing bits, and number of bits of a hash. */
  distance: number;
  bits: number;
}

/** `regression.json` */
export interface Judgement {
  schemaVersion: 1;
  source: string;
  folds: Record<Fold, FoldCounts> & { unit: PipelineInput['folds']['unit']; leak: Leak };
  splits: SplitMetrics[];
  regression: RegressionMetrics;
  /** E[y] = Σ P(y>k) with thresholds 0.5, 1.5, 2.5, 3.5, which needs no fitting. */
  baseline: StagingMetrics;
  /** Most probable grade, after an isotonic fit of the four probabilities. */
  argmax: StagingMetrics;
  /** Most frequent grade of the test fold, predicted for every eye. */
  majority: { stage: number | null; accuracy: number | null; qwk: number | null };
  /** Contribution of each feature set. No result here is used to choose anything. */
  ablation: AblationRow[];
  /** Kappa with the least certain share of the test eyes graded by a person. */
  riskCoverage: RiskCoveragePoint[];
  /** Number of lines of suspect-labels.csv, and of the held-out eyes (or records). */
  suspectLabels: { eyes: number; of: number };
  /** Null where the images were prepared without hashes. */
  nearDuplicates: NearDuplicateCounts | null;
  intervals: { level: 0.95; method: 'percentile bootstrap by patient'; samples: number; seed: number };
}
