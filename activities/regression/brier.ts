/** Measures the calibration of probabilities. */

/** Returns the Brier score: the mean squared distance between the probability and the outcome (1 or 0). Returns null without eyes. */
export function brierScore(positive: ArrayLike<number>, probabilities: ArrayLike<number>): number | null {
  if (positive.length === 0) return null;
  let sum = 0;
  for (let i = 0; i < positive.length; i++) sum += (probabilities[i]! - positive[i]!) ** 2;
  return sum / positive.length;
}

export interface ReliabilityBin {
  eyes: number;
  /** Mean probability of the bin's eyes. */
  predicted: number;
  /** Share of them that are positive. */
  observed: number;
}

/**
 * Returns the reliability curve: the eyes in `bins` probability bins of equal width. As in scikit-learn, a value on the boundary of
 * two bins belongs to the lower one. Empty bins are left out.
 */
export function reliabilityCurve(
  positive: ArrayLike<number>,
  probabilities: ArrayLike<number>,
  bins = 10,
): ReliabilityBin[] {
  const eyes = new Array<number>(bins).fill(0);
  const predicted = new Array<number>(bins).fill(0);
  const observed = new Array<number>(bins).fill(0);
  for (let i = 0; i < positive.length; i++) {
    const bin = Math.max(0, Math.ceil(probabilities[i]! * bins) - 1);
    eyes[bin]!++;
    predicted[bin]! += probabilities[i]!;
    observed[bin]! += positive[i]!;
  }
  return eyes.flatMap((n, bin) =>
    n === 0 ? [] : [{ eyes: n, predicted: predicted[bin]! / n, observed: observed[bin]! / n }],
  );
}
