/** Thresholds for a wanted specificity or sensitivity: chosen on one fold, applied to another. */
import { ascending, between } from './ordering.ts';
import { ratesAt } from './roc.ts';

export interface OperatingPoint {
  /** Which of the two was asked for. */
  fixed: 'specificity' | 'sensitivity';
  /** At least this much of it, on the fold where the threshold was chosen. */
  target: number;
  /** Call positive from this score on; null when the fold had no eyes of one kind. */
  threshold: number | null;
  /** Both as measured on the other fold. */
  sensitivity: number | null;
  specificity: number | null;
}

export const TARGETS = [0.8, 0.9, 0.95] as const;

/**
 * The threshold that keeps `fixed` at least at `target` and gives most of the other rate. It lies halfway between two scores.
 * @returns null when all eyes are of one kind
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
  // Below the first eye everything is called positive: sensitivity 1, specificity 0.
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

/** Sensitivity at 80, 90 and 95 % specificity and the reverse: thresholds from `chosenOn`, rates from `appliedTo`. */
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
