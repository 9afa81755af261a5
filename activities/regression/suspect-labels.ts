/** Finds held-out eyes whose grade all four networks contradict. They are the best candidates for a second grading. */

import { SPLITS } from '../../config/grades.ts';
import type { PredictedEye } from './fit.ts';
import { STAGE_COUNT } from './kappa.ts';
import type { ReadPrediction } from './tables.ts';

export interface SuspectLabel extends ReadPrediction {
  /** Rank from 1, the eye furthest from its grade. */
  rank: number;
  /** Direction of the contradiction: the networks see more disease than the grade, or less. */
  seen: 'more' | 'less';
  /** Share of eyes of the same grade that a network scores at least as extreme. The largest share of the four networks. */
  tail: number;
}

/** Maximum share of the eyes of a grade that a network scores as extreme as an eye whose grade it contradicts. */
const EXTREME = 0.1;

/**
 * Finds suspect grades. A single network cannot contradict a grade by its probability alone, for two reasons. Its split may put
 * two grades on the same side, and the probability of a rare condition is hardly ever above 0.5. So each network ranks the eye among
 * the held-out eyes of the same grade. An eye is listed when all four networks put it in the most extreme tenth, on the same side.
 * The regression's grade must be on that side too.
 * @param predictions eyes of the validation and test folds
 * @returns eyes by distance between grade and regression, the largest first
 */
export function suspectLabels(predictions: readonly PredictedEye[]): SuspectLabel[] {
  const suspects: Omit<SuspectLabel, 'rank'>[] = [];
  for (let grade = 0; grade < STAGE_COUNT; grade++) {
    const eyes = predictions.filter(eye => eye.level === grade);
    const sorted = SPLITS.map(k => Float64Array.from(eyes, eye => eye.p[k]!).sort());
    for (const eye of eyes) {
      if (eye.predicted === grade) continue;
      const seen = eye.predicted > grade ? 'more' : 'less';
      const tail = Math.max(
        ...SPLITS.map(k => {
          const below = countBelow(sorted[k]!, eye.p[k]!, seen === 'less');
          return (seen === 'more' ? eyes.length - below : below) / eyes.length;
        }),
      );
      if (tail > EXTREME) continue;
      const { image, version, level, fold, p, expected, predicted } = eye;
      suspects.push({ image, version, level, fold, seen, tail, p, expected, predicted });
    }
  }
  const distance = (eye: Omit<SuspectLabel, 'rank'>) => Math.abs(eye.expected - eye.level);
  return suspects
    .sort((a, b) => distance(b) - distance(a) || a.tail - b.tail || (a.image < b.image ? -1 : 1))
    .map((suspect, i) => ({ rank: i + 1, ...suspect }));
}

/** Returns the number of ascending values below `value`, or with `orEqual` not above it. */
function countBelow(sorted: Float64Array, value: number, orEqual: boolean): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle]! < value || (orEqual && sorted[middle] === value)) low = middle + 1;
    else high = middle;
  }
  return low;
}
