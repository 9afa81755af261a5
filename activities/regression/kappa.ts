/** Measures the agreement of predicted grades with the actual ones. */

/** Number of grades: 0 (no retinopathy) to 4 (proliferative). */
export const STAGE_COUNT = 5;

/** Returns the sum of counts. */
export const total = (counts: readonly number[]): number => counts.reduce((sum, n) => sum + n, 0);

/** Counts of eyes. Rows are actual grades, columns predicted grades. */
export type Confusion = number[][];

/**
 * Counts eyes by actual and predicted grade, 5 × 5.
 * @param weights number of times that each eye counts; once by default
 */
export function confusionMatrix(
  graded: ArrayLike<number>,
  predicted: ArrayLike<number>,
  weights?: ArrayLike<number>,
): Confusion {
  const matrix = Array.from({ length: STAGE_COUNT }, () => new Array<number>(STAGE_COUNT).fill(0));
  for (let i = 0; i < graded.length; i++) {
    matrix[graded[i]!]![predicted[i]!]! += weights === undefined ? 1 : weights[i]!;
  }
  return matrix;
}

/**
 * Returns the quadratic weighted kappa, the score of the competition: 1 − Σw·O / Σw·E with w = (i − j)² and E from the two histograms.
 *
 * Where Σw·E is zero (all actual and predicted grades are equal) the ratio is undefined. The result is then 0, as for any other
 * constant prediction, because such a prediction shows nothing.
 * @returns null when there are no eyes
 */
export function quadraticWeightedKappa(matrix: Confusion): number | null {
  const graded = matrix.map(total);
  const predicted = matrix.map((_, j) => total(matrix.map(row => row[j]!)));
  const eyes = total(graded);
  if (eyes === 0) return null;
  let observed = 0;
  let expected = 0;
  for (let i = 0; i < matrix.length; i++) {
    for (let j = 0; j < matrix.length; j++) {
      const weight = (i - j) ** 2;
      observed += weight * matrix[i]![j]!;
      expected += (weight * graded[i]! * predicted[j]!) / eyes;
    }
  }
  return expected === 0 ? 0 : 1 - observed / expected;
}

/** Returns the kappa as a function of the number of times that each eye counts. The bootstrap calls it a thousand times. */
export function kappaStatistic(
  graded: ArrayLike<number>,
  predicted: ArrayLike<number>,
): (weights: ArrayLike<number>) => number | null {
  const cell = Uint8Array.from({ length: graded.length }, (_, i) => graded[i]! * STAGE_COUNT + predicted[i]!);
  const counts = new Float64Array(STAGE_COUNT * STAGE_COUNT);
  return weights => {
    counts.fill(0);
    for (let i = 0; i < cell.length; i++) counts[cell[i]!]! += weights[i]!;
    const rows = Array.from({ length: STAGE_COUNT }, (_, i) => [
      ...counts.subarray(i * STAGE_COUNT, (i + 1) * STAGE_COUNT),
    ]);
    return quadraticWeightedKappa(rows);
  };
}

/** Returns the share of eyes on the diagonal; null when there are no eyes. */
export function accuracyOf(matrix: Confusion): number | null {
  const eyes = total(matrix.flat());
  return eyes === 0 ? null : total(matrix.map((row, i) => row[i]!)) / eyes;
}

/** Returns the mean absolute difference between actual and predicted grade; null when there are no eyes. */
export function meanAbsoluteError(matrix: Confusion): number | null {
  const eyes = total(matrix.flat());
  return eyes === 0 ? null : total(matrix.flatMap((row, i) => row.map((n, j) => n * Math.abs(i - j)))) / eyes;
}

/** Returns the recall of each grade; null for a grade without eyes. */
export function recallByStage(matrix: Confusion): (number | null)[] {
  return matrix.map((row, i) => (total(row) === 0 ? null : row[i]! / total(row)));
}
