/** Held-out eyes whose grade all four networks contradict: a grader's second look is best spent here. */
import type { PredictedEye } from './fit.ts';
import { STAGE_COUNT } from './kappa.ts';
import { SPLITS } from './split-names.ts';

export interface SuspectLabel {
  /** From 1: the furthest from its grade. */
  rank: number;
  image: string;
  version: string | null;
  level: number;
  fold: PredictedEye['fold'];
  /** What all four networks see: more disease than was graded, or less. */
  seen: 'more' | 'less';
  /** The largest of the four shares of eyes of the same grade that a network finds at least as far off. */
  tail: number;
  p: number[];
  expected: number;
  predicted: number;
}

/** A network contradicts a grade when it finds at most this share of the eyes so graded as far off. */
const EXTREME = 0.1;

/**
 * A network alone cannot say that a moderate eye is none: its question may have the same answer for both. And a rare condition is hardly
 * ever given more than a half. So each network is asked how the eye stands among the held-out eyes of the same grade. An eye is
 * listed when it is among the most extreme tenth for all four, all on the same side, and the regression's stage lies there too.
 * @param predictions eyes of the validation and test folds
 * @returns by distance between grade and regression, the largest first
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

/** How many of the rising values are below `value`, or with `orEqual` not above it. */
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
