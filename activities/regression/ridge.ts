/** Ridge regression: least squares with a penalty on the weights, for features that are collinear and rare. */
import { Matrix, solve } from 'ml-matrix';

/** What ridge regression needs to know of its rows, whatever the strength. */
export interface Moments {
  /** Of each feature, and of y. */
  mean: number[];
  meanY: number;
  /** Of each feature with each, and with y; divided by n. */
  covariance: Float64Array[];
  covarianceY: Float64Array;
}

export interface LinearModel {
  /** One for each feature, in the feature's own units. */
  weights: number[];
  intercept: number;
}

/** @param features one row per eye, at least one */
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
 * Minimises mean (y − ŷ)² + strength · Σ vⱼ², where vⱼ = wⱼ·sdⱼ is the weight of the standardised feature (mean 0, standard deviation 1
 * over the given rows, divided by n). So the penalty does not depend on units or on the number of rows. The intercept is not penalised.
 * A feature that never varies gets weight 0; of several least-squares solutions (strength 0, collinear features) the shortest.
 * @param strength from 0 (ordinary least squares) up
 */
export function solveRidge({ mean, meanY, covariance, covarianceY }: Moments, strength: number): LinearModel {
  const deviation = mean.map((_, j) => Math.sqrt(covariance[j]![j]!));
  // Rounding leaves a constant column a deviation of about 1e-17: dividing by that would make noise a feature.
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
    // By singular values: correlated features with strength 0 still have an answer.
    const solution = solve(left, right, true);
    used.forEach((a, i) => {
      weights[a] = solution.get(i, 0) / deviation[a]!;
    });
  }
  return { weights, intercept: weights.reduce((rest, weight, j) => rest - weight * mean[j]!, meanY) };
}

/** Moments and solution in one: see both. */
export function fitRidge(
  features: readonly (readonly number[])[],
  y: ArrayLike<number>,
  strength: number,
): LinearModel {
  return solveRidge(momentsOf(features, y), strength);
}

/** ŷ of one eye. */
export function predictLinear(model: LinearModel, features: readonly number[]): number {
  return model.weights.reduce((sum, weight, j) => sum + weight * features[j]!, model.intercept);
}
