/** Ridge regression: least squares with a penalty on the weights, for features that are collinear and rare. */
import { Matrix, solve } from 'ml-matrix';

export interface LinearModel {
  /** One for each feature, in the feature's own units. */
  weights: number[];
  intercept: number;
}

/**
 * Minimises mean (y − ŷ)² + strength · Σ vⱼ², where vⱼ = wⱼ·sdⱼ is the weight of the standardised feature (mean 0, standard deviation 1
 * over the given rows, divided by n). So the penalty does not depend on units or on the number of rows. The intercept is not penalised.
 * A feature that never varies gets weight 0; of several least-squares solutions (strength 0, collinear features) the shortest.
 * @param features one row per eye
 * @param strength from 0 (ordinary least squares) up
 */
export function fitRidge(
  features: readonly (readonly number[])[],
  y: ArrayLike<number>,
  strength: number,
): LinearModel {
  const rows = features.length;
  if (rows === 0) throw new RangeError('Expected at least one eye to fit on, got none');
  const columns = features[0]!.length;
  const mean = new Array<number>(columns).fill(0);
  let meanY = 0;
  for (let i = 0; i < rows; i++) {
    meanY += y[i]! / rows;
    for (let j = 0; j < columns; j++) mean[j]! += features[i]![j]! / rows;
  }
  const covariance = Matrix.zeros(columns, columns);
  const moment = Matrix.zeros(columns, 1);
  for (let i = 0; i < rows; i++) {
    const row = features[i]!;
    for (let a = 0; a < columns; a++) {
      const da = row[a]! - mean[a]!;
      moment.set(a, 0, moment.get(a, 0) + (da * (y[i]! - meanY)) / rows);
      for (let b = a; b < columns; b++) {
        covariance.set(a, b, covariance.get(a, b) + (da * (row[b]! - mean[b]!)) / rows);
      }
    }
  }
  const deviation = mean.map((_, j) => Math.sqrt(covariance.get(j, j)));
  // Rounding leaves a constant column a deviation of about 1e-17: dividing by that would make noise a feature.
  const varies = deviation.map((sd, j) => sd > 1e-12 * Math.max(1, Math.abs(mean[j]!)));
  const used = varies.flatMap((yes, j) => (yes ? [j] : []));
  const weights = new Array<number>(columns).fill(0);
  if (used.length > 0) {
    const left = Matrix.zeros(used.length, used.length);
    const right = Matrix.zeros(used.length, 1);
    used.forEach((a, i) => {
      right.set(i, 0, moment.get(a, 0) / deviation[a]!);
      used.forEach((b, j) => {
        const correlation = covariance.get(Math.min(a, b), Math.max(a, b)) / (deviation[a]! * deviation[b]!);
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

/** ŷ of one eye. */
export function predictLinear(model: LinearModel, features: readonly number[]): number {
  return model.weights.reduce((sum, weight, j) => sum + weight * features[j]!, model.intercept);
}
