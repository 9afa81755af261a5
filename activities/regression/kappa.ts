/** How well predicted stages agree with the graded ones. */

/** Stages 0 (no retinopathy) to 4 (proliferative). */
export const STAGE_COUNT = 5;

/** Rows: the stage as graded. Columns: the stage as predicted. */
export type Confusion = number[][];

/**
 * Counts eyes by graded and predicted stage, 5 × 5.
 * @param weights how often each eye counts; default once
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
 * Quadratic weighted kappa, 1 − Σw·O / Σw·E with w = (i − j)² and E from the two histograms: the score of the competition.
 *
 * Where E is zero (every grade and every prediction is one and the same stage) the ratio does not exist. It is 0 here, as for any other
 * constant prediction: such a prediction has shown nothing.
 * @returns null when there are no eyes
 */
export function quadraticWeightedKappa(matrix: Confusion): number | null {
  const graded = matrix.map(row => row.reduce((sum, n) => sum + n, 0));
  const predicted = matrix.map((_, j) => matrix.reduce((sum, row) => sum + row[j]!, 0));
  const eyes = graded.reduce((sum, n) => sum + n, 0);
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

/** The kappa of eyes as a function of how often each counts: the bootstrap asks a thousand times. */
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

/** Share of eyes on the diagonal; null when there are none. */
export function accuracyOf(matrix: Confusion): number | null {
  const eyes = matrix.flat().reduce((sum, n) => sum + n, 0);
  return eyes === 0 ? null : matrix.reduce((sum, row, i) => sum + row[i]!, 0) / eyes;
}

/** Mean distance in stages between grade and prediction; null when there are no eyes. */
export function meanAbsoluteError(matrix: Confusion): number | null {
  const eyes = matrix.flat().reduce((sum, n) => sum + n, 0);
  if (eyes === 0) return null;
  return matrix.reduce((sum, row, i) => row.reduce((s, n, j) => s + n * Math.abs(i - j), sum), 0) / eyes;
}

/** Share of each graded stage that was predicted as such; null for a stage without eyes. */
export function recallByStage(matrix: Confusion): (number | null)[] {
  return matrix.map((row, i) => {
    const eyes = row.reduce((sum, n) => sum + n, 0);
    return eyes === 0 ? null : row[i]! / eyes;
  });
}

/** Share of eyes on the right side of split k, {0..k} against {k+1..4}. */
export function splitAccuracy(matrix: Confusion, k: number): number | null {
  const eyes = matrix.flat().reduce((sum, n) => sum + n, 0);
  if (eyes === 0) return null;
  return matrix.reduce((sum, row, i) => row.reduce((s, n, j) => s + (i > k === j > k ? n : 0), sum), 0) / eyes;
}
