import { ascending } from './ordering.ts';

/**
 * Average precision, Σ (Rₙ − Rₙ₋₁)·Pₙ over the distinct scores from the highest down, without interpolation.
 * The number for rare conditions: a random score gives the share of positives.
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
