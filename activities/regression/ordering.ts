/** Sorting by score and the numbers between scores, as ranks, curves, cuts and thresholds need them. */

/** Indexes of `scores` from the lowest score to the highest; equal scores stay in their order. */
export function ascending(scores: ArrayLike<number>): Uint32Array {
  const order = Uint32Array.from({ length: scores.length }, (_, i) => i);
  return order.sort((a, b) => scores[a]! - scores[b]! || a - b);
}

/** A number above `low` and not above `high`: their middle, or `high` where no double lies between them. */
export function between(low: number, high: number): number {
  const middle = low + (high - low) / 2;
  return middle > low ? middle : high;
}
