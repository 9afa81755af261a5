/** Fits ridge regression: least squares with a penalty on the weights, for few eyes and collinear features. */
import { Matrix, solve } from 'ml-matrix';
import { seededRandom, shuffled } from '../../lib/random.ts';

/** Statistics of the rows that ridge regression needs, independent of the strength. */
export interface Moments {
  /** Means of each feature, and of y. */
  mean: number[];
  meanY: number;
  /** Covariances of the features with each other, and with y, divided by n. */
  covariance: Float64Array[];
  covarianceY: Float64Array;
}

export interface LinearModel {
  /** Weight of each feature, in the feature's own units. */
  weights: number[];
  intercept: number;
}

/** Computes the moments. @param features one row per eye, at least one; @throws RangeError without rows */
export function momentsOf(features: readonly (readonly number[])[], y: ArrayLike<number>): Moments {
  const rows = features.length;
  if (rows === 0) throw new RangeError('Expected at least one eye to fit on, got none');
  const columns = features[0]!.length;
  const mean = new Array<number>(columns).fill(0);
  let meanY = 0;
  for (let i = 0; i < rows; i++) {
    meanY += y[i]! / rows;
    for (let j = 0; j < columns; j++) mean[j]! += features[i]![j]! / rows;
  }
  const covariance = mean.map(() => new Float64Array(columns));
  const covarianceY = new Float64Array(columns);
  for (let i = 0; i < rows; i++) {
    const row = features[i]!;
    for (let a = 0; a < columns; a++) {
      const da = row[a]! - mean[a]!;
      covarianceY[a]! += (da * (y[i]! - meanY)) / rows;
      for (let b = 0; b <= a; b++) covariance[a]![b]! += (da * (row[b]! - mean[b]!)) / rows;
    }
  }
  for (let a = 0; a < columns; a++) for (let b = 0; b < a; b++) covariance[b]![a] = covariance[a]![b]!;
  return { mean, meanY, covariance, covarianceY };
}

/**
 * Minimizes mean (y − ŷ)² + strength · Σ vⱼ², where vⱼ = wⱼ·sdⱼ is the weight of the standardized feature. Standardized is: mean 0 and
 * standard deviation 1 over the given rows, with the variance divided by n. So the penalty does not depend on units or on the number of
 * rows. The intercept is not penalized.
 * A constant feature gets weight 0. Of several least-squares solutions (strength 0, collinear features) it returns the shortest.
 * @param strength 0 (ordinary least squares) or more
 */
export function solveRidge({ mean, meanY, covariance, covarianceY }: Moments, strength: number): LinearModel {
  const deviation = mean.map((_, j) => Math.sqrt(covariance[j]![j]!));
  // Rounding leaves a constant column with a deviation of about 1e-17. A division by it would turn noise into a feature.
  const used = deviation.flatMap((sd, j) => (sd > 1e-12 * Math.max(1, Math.abs(mean[j]!)) ? [j] : []));
  const weights = mean.map(() => 0);
  if (used.length > 0) {
    const left = Matrix.zeros(used.length, used.length);
    const right = Matrix.zeros(used.length, 1);
    used.forEach((a, i) => {
      right.set(i, 0, covarianceY[a]! / deviation[a]!);
      used.forEach((b, j) => {
        const correlation = covariance[a]![b]! / (deviation[a]! * deviation[b]!);
        left.set(i, j, correlation + (i === j ? strength : 0));
      });
    });
    // Uses singular values, so that correlated features with strength 0 still have a solution.
    const solution = solve(left, right, true);
    used.forEach((a, i) => {
      weights[a] = solution.get(i, 0) / deviation[a]!;
    });
  }
  return { weights, intercept: weights.reduce((rest, weight, j) => rest - weight * mean[j]!, meanY) };
}

/** Fits a model: `momentsOf` and `solveRidge` in one call. */
export function fitRidge(
  features: readonly (readonly number[])[],
  y: ArrayLike<number>,
  strength: number,
): LinearModel {
  return solveRidge(momentsOf(features, y), strength);
}

/** Returns ŷ of one eye. */
export function predictLinear(model: LinearModel, features: readonly number[]): number {
  return model.weights.reduce((sum, weight, j) => sum + weight * features[j]!, model.intercept);
}

export interface ChosenStrength {
  strength: number;
  /** `cross-validation`, `input` (given by the caller), or `default` with too few patients for cross-validation. */
  by: 'cross-validation' | 'input' | 'default';
}

/** 1e-5 … 10 in steps of √10: from a negligible strength to one that leaves little more than the mean. */
const STRENGTHS = Array.from({ length: 13 }, (_, i) => 10 ** (-5 + i / 2));
const GROUPS = 5;
const WITHOUT_TRIAL = 0.01;

/**
 * Chooses the strength by five-fold cross-validation over patients. Both eyes of a patient are left out together, as a fellow eye
 * would leak the answer. Among equals the stronger wins. With fewer than ten patients the strength is 0.01.
 * @param patients the patient of each row
 */
export function chooseStrength(
  features: readonly (readonly number[])[],
  y: ArrayLike<number>,
  patients: readonly string[],
  seed: number,
): ChosenStrength {
  // Sorted before shuffling, so that the result does not depend on the order of the rows.
  const names = shuffled([...new Set(patients)].sort(), seededRandom(seed));
  if (names.length < 2 * GROUPS) return { strength: WITHOUT_TRIAL, by: 'default' };
  const groupOf = new Map(names.map((name, i) => [name, i % GROUPS]));
  const error = new Array<number>(STRENGTHS.length).fill(0);
  for (let group = 0; group < GROUPS; group++) {
    const kept: number[] = [];
    const leftOut: number[] = [];
    patients.forEach((patient, i) => {
      (groupOf.get(patient) === group ? leftOut : kept).push(i);
    });
    const moments = momentsOf(
      kept.map(i => features[i]!),
      kept.map(i => y[i]!),
    );
    STRENGTHS.forEach((strength, s) => {
      const model = solveRidge(moments, strength);
      for (const i of leftOut) error[s]! += (predictLinear(model, features[i]!) - y[i]!) ** 2 / patients.length;
    });
  }
  return { strength: STRENGTHS[error.lastIndexOf(Math.min(...error))]!, by: 'cross-validation' };
}
