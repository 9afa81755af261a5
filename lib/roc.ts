/** Receiver operating characteristic: measures how well a score ranks eyes with a condition above eyes without it. */

export interface RocPoint {
  /** 1 − specificity */
  falsePositiveRate: number;
  /** Sensitivity */
  truePositiveRate: number;
}

/**
 * Prepares the area under the ROC curve as a function of the eyes' weights. Sorts once, as the bootstrap calls it a thousand times.
 * Equal scores count half, as with midranks and the trapezoidal rule.
 * @param positive 1 where the eye has the condition, else 0
 * @returns a function that returns null when the weighted eyes are all of one class
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

/** Returns the area under the ROC curve; null when all eyes are of one class. */
export function rocAuc(positive: ArrayLike<number>, scores: ArrayLike<number>): number | null {
  return aucStatistic(positive, scores)();
}

/**
 * Returns the curve's corners from (0, 0) to (1, 1), one per distinct score. Omits points on a straight line between others.
 * Empty when all eyes are of one class.
 */
export function rocCurve(positive: ArrayLike<number>, scores: ArrayLike<number>): RocPoint[] {
  const order = ascending(scores).reverse();
  let allPositives = 0;
  for (let i = 0; i < positive.length; i++) allPositives += positive[i]!;
  const allNegatives = positive.length - allPositives;
  if (allPositives === 0 || allNegatives === 0) return [];
  const corners: [negatives: number, positives: number][] = [[0, 0]];
  let positives = 0;
  for (let at = 0; at < order.length; at++) {
    positives += positive[order[at]!]!;
    if (at + 1 < order.length && scores[order[at + 1]!] === scores[order[at]!]) continue;
    const corner: [number, number] = [at + 1 - positives, positives];
    const last = corners.at(-1)!;
    const beforeLast = corners.at(-2);
    // Counts are integers, so the test for a straight line is exact.
    if (
      beforeLast !== undefined &&
      (last[0] - beforeLast[0]) * (corner[1] - last[1]) === (corner[0] - last[0]) * (last[1] - beforeLast[1])
    ) {
      corners.pop();
    }
    corners.push(corner);
  }
  return corners.map(([n, p]) => ({ falsePositiveRate: n / allNegatives, truePositiveRate: p / allPositives }));
}

export interface Rates {
  /** Share of positives called positive; null without positives. */
  sensitivity: number | null;
  /** Share of negatives called negative; null without negatives. */
  specificity: number | null;
  /** Null without eyes. */
  accuracy: number | null;
}

/** Returns the rates when eyes with a score of at least `threshold` are called positive. */
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

/**
 * Returns the average precision, Σ (Rₙ − Rₙ₋₁)·Pₙ over the distinct scores from the highest down, without interpolation.
 * It suits rare conditions: a random score gives the share of positives.
 * @returns null without positives
 */
export function averagePrecision(positive: ArrayLike<number>, scores: ArrayLike<number>): number | null {
  const order = ascending(scores).reverse();
  let found = 0;
  let foundBefore = 0;
  let sum = 0;
  for (let at = 0; at < order.length; at++) {
    found += positive[order[at]!]!;
    const tied = at + 1 < order.length && scores[order[at + 1]!] === scores[order[at]!];
    if (tied) continue;
    sum += ((found - foundBefore) * found) / (at + 1);
    foundBefore = found;
  }
  return found === 0 ? null : sum / found;
}

/** Returns the indexes of `scores` from the lowest score to the highest. Equal scores stay in their order. */
export function ascending(scores: ArrayLike<number>): Uint32Array {
  const order = Uint32Array.from({ length: scores.length }, (_, i) => i);
  return order.sort((a, b) => scores[a]! - scores[b]! || a - b);
}

/** Returns a number above `low` and not above `high`: their middle, or `high` when there is no double between them. */
export function between(low: number, high: number): number {
  const middle = low + (high - low) / 2;
  return middle > low ? middle : high;
}
