/** Computes the risk-coverage curve of selective prediction: kappa when a person grades the least certain eyes. */
import type { PredictedEye } from './fit.ts';
import { confusionMatrix, quadraticWeightedKappa } from './kappa.ts';
import { stageProbabilities } from './predict-grade.ts';

export interface RiskCoveragePoint {
  /** Share of the eyes that a person grades, the least certain ones. */
  handedOver: number;
  /** Number of eyes that the model grades. */
  eyes: number;
  /** Kappa of the eyes that the model grades. */
  qwkOfRest: number | null;
  /** Kappa of all eyes, where those that the person grades count as correct. */
  qwkTogether: number | null;
}

const STEPS = 20;

type Eye = Pick<PredictedEye, 'level' | 'predicted' | 'p'>;

/**
 * Returns the expected squared distance between predicted and true grade, by the four probabilities. It is the penalty that kappa uses.
 */
export function uncertaintyOf({ p, predicted }: Pick<Eye, 'p' | 'predicted'>): number {
  return stageProbabilities(p).reduce((sum, share, stage) => sum + share * (stage - predicted) ** 2, 0);
}

/** Returns the points at 0, 5, … 95 % graded by a person; empty without eyes. */
export function riskCoverage(eyes: readonly Eye[]): RiskCoveragePoint[] {
  if (eyes.length === 0) return [];
  const uncertainty = eyes.map(uncertaintyOf);
  // Eyes of equal uncertainty keep their order.
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
