/** The shape of `regression.json` and `metrics.json`. What cannot be computed is null. Types only. */
import type { PipelineInput } from '../../config/input.ts';
import type { Fold, FoldCounts } from '../labels/types.ts';
import type { Interval } from './bootstrap.ts';
import type { ReliabilityBin } from './brier.ts';
import type { FeatureOptions } from './features.ts';
import type { Confusion } from './kappa.ts';
import type { OperatingPoint } from './operating-points.ts';
import type { RiskCoveragePoint } from './risk-coverage.ts';
import type { ReportArgs } from './types.ts';

/** One of the four networks (or heads), judged on the test fold. */
export interface SplitMetrics {
  k: number;
  /** `<0..k>/<k+1..4>` */
  name: string;
  auc: number | null;
  /** 95 %, bootstrap by patient. */
  aucInterval: Interval | null;
  averagePrecision: number | null;
  brier: number | null;
  /** What P(y>k) means: ten steps of it with the share that has it; empty steps are left out. */
  reliability: ReliabilityBin[];
  /** At P(y>k) ≥ 0.5, like `sensitivity` and `specificity`. */
  accuracy: number | null;
  balancedAccuracy: number | null;
  /** Of always giving the more frequent answer. */
  majorityAccuracy: number | null;
  sensitivity: number | null;
  specificity: number | null;
  operatingPoints: OperatingPoint[];
  positives: number;
  negatives: number;
}

/** A way of giving each eye a stage, judged on the test fold. */
export interface StagingMetrics {
  qwk: number | null;
  qwkInterval: Interval | null;
  /** Mean distance in stages. */
  mae: number | null;
  accuracy: number | null;
  confusion: Confusion;
  /** Share of each stage that was found. */
  recall: (number | null)[];
}

export interface RegressionMetrics extends StagingMetrics {
  /** `p0` … `p3`, with the spread `spread.p0` … `spread.p3`, with the fellow eye `fellow.p0` … `fellow.p3`. */
  features: string[];
  weights: number[];
  intercept: number;
  cuts: number[];
  cutsTuned: boolean;
  ridge: { strength: number; by: 'cross-validation' | 'input' | 'default' };
  /** What weights, intercept, ridge strength and cuts were fitted on. */
  fittedOn: { fold: 'validation'; patients: number; eyes: number; qwk: number | null };
  /** How much kappa the regression has over the baseline on the same eyes, with its interval. */
  gain: number | null;
  gainInterval: Interval | null;
}

/** Share of test records whose eye, or patient, is in the training fold under another version. */
export interface Leak {
  eyes: number | null;
  patients: number | null;
}

/** The regression refitted with less or more than the run's own, judged on the same test eyes. */
export interface AblationRow extends FeatureOptions {
  /** The penalty's strength, chosen anew. */
  ridge: number;
  qwk: number | null;
  qwkInterval: Interval | null;
  /** How much more kappa than the run's own regression, in the same samples of patients. */
  gain: number | null;
  gainInterval: Interval | null;
}

/** Near-identical pictures under different patients in different folds. */
export interface NearDuplicateCounts {
  /** Pictures with a perceptual hash. */
  pictures: number;
  pairs: number;
  /** Of these, pairs of a training and a test picture: each is a leak that folds by patient do not stop. */
  trainTest: number;
  /** Bits of the hash that may differ, and bits it has. */
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
  /** E[y] = Σ P(y>k), cut at 0.5, 1.5, 2.5, 3.5: needs no fitting. */
  baseline: StagingMetrics;
  /** The most probable stage, after the four probabilities were made to fall. */
  argmax: StagingMetrics;
  /** The same stage for every eye: the most frequent one of the test fold. */
  majority: { stage: number | null; accuracy: number | null; qwk: number | null };
  /** What each idea bought; chosen by none of it. */
  ablation: AblationRow[];
  /** Kappa if the least certain share of the test eyes goes to a person. */
  riskCoverage: RiskCoveragePoint[];
  /** Lines of suspect-labels.csv, of how many held-out eyes (or records). */
  suspectLabels: { eyes: number; of: number };
  /** Null where the pictures were prepared without hashes. */
  nearDuplicates: NearDuplicateCounts | null;
  intervals: { level: 0.95; method: 'percentile bootstrap by patient'; samples: number; seed: number };
}

/** `metrics.json` */
export interface Metrics extends Judgement {
  run: string;
  images: { seen: number; quarantined: number };
  /** `seconds`: wall-clock time of each stage; of reused ones, what making them took. */
  work: ReportArgs['work'] & { seconds: Record<string, number> };
  versions: Record<string, string>;
}
