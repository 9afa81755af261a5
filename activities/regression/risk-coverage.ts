/** What the machine is worth when it may hand eyes over to a person. */
import { confusionMatrix, quadraticWeightedKappa } from './kappa.ts';
import { stageProbabilities } from './monotone.ts';

export interface RiskCoveragePoint {
  /** Share of the eyes that a person grades: the least certain ones. */
  handedOver: number;
  /** Eyes left to the machine. */
  eyes: number;
  /** Kappa of the eyes left to the machine. */
  qwkOfRest: number | null;
  /** Kappa of all, the eyes handed over counted as graded right. */
  qwkTogether: number | null;
}

const STEPS = 20;

interface Eye {
  level: number;
  predicted: number;
  p: readonly number[];
}

/**
 * The expected squared distance of the predicted stage from the true one, as the four probabilities have it: what kappa would charge for it.
 */
export function uncertaintyOf({ p, predicted }: Pick<Eye, 'p' | 'predicted'>): number {
  return stageProbabilities(p).reduce((sum, share, stage) => sum + share * (stage - predicted) ** 2, 0);
}

/** Points at 0, 5, … 95 % handed over; empty without eyes. */
export function riskCoverage(eyes: readonly Eye[]): RiskCoveragePoint[] {
  if (eyes.length === 0) return [];
  const uncertainty = eyes.map(uncertaintyOf);
  // Equal ones stay in the order of the eyes.
  const order = eyes.map((_, i) => i).sort((a, b) => uncertainty[b]! - uncertainty[a]! || a - b);
  const levels = order.map(i => eyes[i]!.level);
  const predicted = order.map(i => eyes[i]!.predicted);
  return Array.from({ length: STEPS }, (_, step) => {
    const handedOver = step / STEPS;
    const first = Math.round(handedOver * eyes.length);
    const together = predicted.map((stage, at) => (at < first ? levels[at]! : stage));
    return {
      handedOver,
      eyes: eyes.length - first,
      qwkOfRest: quadraticWeightedKappa(confusionMatrix(levels.slice(first), predicted.slice(first))),
      qwkTogether: quadraticWeightedKappa(confusionMatrix(levels, together)),
    };
  });
}
