/** Receiver operating characteristic: how well a score ranks eyes with a condition above eyes without. */
import { ascending } from './ordering.ts';

export interface RocPoint {
  /** An eye is called positive when its score is at least this; Infinity for the first point, which calls none. */
  threshold: number;
  /** 1 − specificity */
  falsePositiveRate: number;
  /** Sensitivity */
  truePositiveRate: number;
}

/**
 * Area under the ROC curve as a function of how often each eye counts, sorted once: the bootstrap asks a thousand times.
 * Equal scores count half, as midranks and the trapezoidal rule have it.
 * @param positive 1 where the eye has the condition, else 0
 * @returns a function that gives null when the weighted eyes are all of one kind
 */
export function aucStatistic(
  positive: ArrayLike<number>,
  scores: ArrayLike<number>,
): (weights?: ArrayLike<number>) => number | null {
  const order = ascending(scores);
  const isPositive = Uint8Array.from(order, i => positive[i]!);
  // 1 at the last of equal scores.
  const closesTie = Uint8Array.from(order, (eye, at) =>
    at + 1 === order.length || scores[order[at + 1]!] !== scores[eye] ? 1 : 0,
  );
  return weights => {
    let negativesBelow = 0;
    let positives = 0;
    let wins = 0;
    let tiedPositives = 0;
    let tiedNegatives = 0;
    for (let at = 0; at < order.length; at++) {
      const weight = weights === undefined ? 1 : weights[order[at]!]!;
      if (isPositive[at] === 1) tiedPositives += weight;
      else tiedNegatives += weight;
      if (closesTie[at] === 1) {
        wins += tiedPositives * (negativesBelow + tiedNegatives / 2);
        positives += tiedPositives;
        negativesBelow += tiedNegatives;
        tiedPositives = 0;
        tiedNegatives = 0;
      }
    }
    return positives === 0 || negativesBelow === 0 ? null : wins / (positives * negativesBelow);
  };
}

/** Area under the ROC curve; null when all eyes are of one kind. */
export function rocAuc(positive: ArrayLike<number>, scores: ArrayLike<number>): number | null {
  return aucStatistic(positive, scores)();
}

/**
 * The curve's corners from (0, 0) to (1, 1), one per distinct score; points on a straight line between others are left out.
 * Empty when all eyes are of one kind.
 */
export function rocCurve(positive: ArrayLike<number>, scores: ArrayLike<number>): RocPoint[] {
  const order = ascending(scores).reverse();
  let allPositives = 0;
  for (let i = 0; i < positive.length; i++) allPositives += positive[i]!;
  const allNegatives = positive.length - allPositives;
  if (allPositives === 0 || allNegatives === 0) return [];
  const corners: [threshold: number, negatives: number, positives: number][] = [[Infinity, 0, 0]];
  let positives = 0;
  for (let at = 0; at < order.length; at++) {
    positives += positive[order[at]!]!;
    const score = scores[order[at]!]!;
    if (at + 1 < order.length && scores[order[at + 1]!] === score) continue;
    const corner: [number, number, number] = [score, at + 1 - positives, positives];
    const last = corners.at(-1)!;
    const beforeLast = corners.at(-2);
    // Counts are whole numbers: the test for a straight line is exact.
    if (
      beforeLast !== undefined &&
      (last[1] - beforeLast[1]) * (corner[2] - last[2]) === (corner[1] - last[1]) * (last[2] - beforeLast[2])
    ) {
      corners.pop();
    }
    corners.push(corner);
  }
  return corners.map(([threshold, n, p]) => ({
    threshold,
    falsePositiveRate: n / allNegatives,
    truePositiveRate: p / allPositives,
  }));
}

export interface Rates {
  /** Share of positives called positive; null without positives. */
  sensitivity: number | null;
  /** Share of negatives called negative; null without negatives. */
  specificity: number | null;
  /** Null without eyes. */
  accuracy: number | null;
}

/** What calling eyes with a score of at least `threshold` positive gives. */
export function ratesAt(positive: ArrayLike<number>, scores: ArrayLike<number>, threshold: number): Rates {
  let positives = 0;
  let truePositives = 0;
  let trueNegatives = 0;
  for (let i = 0; i < positive.length; i++) {
    const called = scores[i]! >= threshold;
    if (positive[i] === 1) {
      positives++;
      if (called) truePositives++;
    } else if (!called) trueNegatives++;
  }
  const negatives = positive.length - positives;
  return {
    sensitivity: positives === 0 ? null : truePositives / positives,
    specificity: negatives === 0 ? null : trueNegatives / negatives,
    accuracy: positive.length === 0 ? null : (truePositives + trueNegatives) / positive.length,
  };
}
