/** Chooses thresholds for a target specificity or sensitivity on one fold, and applies them to another. */
import { ascending, between, ratesAt } from '../../lib/roc.ts';

export interface OperatingPoint {
  /** Rate that the target is for. */
  fixed: 'specificity' | 'sensitivity';
  /** Minimum of that rate on the fold where the threshold is chosen. */
  target: number;
  /** Scores from here on count as positive. Null when that fold lacks positives or negatives. */
  threshold: number | null;
  /** Sensitivity and specificity on the other fold. */
  sensitivity: number | null;
  specificity: number | null;
}

export const TARGETS = [0.8, 0.9, 0.95] as const;

/**
 * Chooses the threshold that keeps `fixed` at `target` or above and maximizes the other rate. It is halfway between two scores.
 * @returns null when all eyes are positive or all are negative
 */
export function chooseThreshold(
  positive: ArrayLike<number>,
  scores: ArrayLike<number>,
  fixed: OperatingPoint['fixed'],
  target: number,
): number | null {
  const order = ascending(scores);
  let positives = 0;
  for (let i = 0; i < positive.length; i++) positives += positive[i]!;
  const negatives = positive.length - positives;
  if (positives === 0 || negatives === 0) return null;
  // At the lowest score all eyes count as positive: sensitivity 1, specificity 0.
  let threshold = scores[order[0]!]!;
  let positivesBelow = 0;
  let negativesBelow = 0;
  for (let at = 0; at < order.length; at++) {
    if (fixed === 'specificity' && negativesBelow / negatives >= target) return threshold;
    const score = scores[order[at]!]!;
    while (at < order.length && scores[order[at]!] === score) {
      if (positive[order[at]!] === 1) positivesBelow++;
      else negativesBelow++;
      at++;
    }
    at--;
    const sensitivity = (positives - positivesBelow) / positives;
    if (fixed === 'sensitivity' && sensitivity < target) return threshold;
    const above = at + 1 < order.length ? scores[order[at + 1]!]! : Math.max(1, score + 1);
    threshold = between(score, above);
  }
  return threshold;
}

interface Judged {
  positive: ArrayLike<number>;
  scores: ArrayLike<number>;
}

/** Returns the sensitivity at 80, 90 and 95 % specificity and the reverse, with thresholds from `chosenOn` and rates from `appliedTo`. */
export function operatingPoints(chosenOn: Judged, appliedTo: Judged): OperatingPoint[] {
  return (['specificity', 'sensitivity'] as const).flatMap(fixed =>
    TARGETS.map(target => {
      const threshold = chooseThreshold(chosenOn.positive, chosenOn.scores, fixed, target);
      const { sensitivity, specificity } =
        threshold === null
          ? { sensitivity: null, specificity: null }
          : ratesAt(appliedTo.positive, appliedTo.scores, threshold);
      return { fixed, target, threshold, sensitivity, specificity };
    }),
  );
}
