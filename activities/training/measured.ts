/** What is measured of training. */
import { count, gauge } from '../measures.ts';
import type { EvaluatedSnapshot, Heads, SegmentProgress, SegmentResult } from './types.ts';

/** Measures what goes through `report` on its way. */
export function measureTraining(report: (progress: SegmentProgress) => void): (progress: SegmentProgress) => void {
  let before: number | undefined;
  return progress => {
    const { iteration, loss } = progress;
    count('trainedIterations', Math.max(0, iteration - (before ?? iteration)));
    before = iteration;
    if (loss !== null) gauge('loss', loss);
    report(progress);
  };
}

/** Counts, once it is trained, what the segment's other attempts had done. */
export function measureLosses({ reused, lost }: SegmentResult): void {
  count('lostIterations', reused ? 0 : lost.iterations);
  count('lostSeconds', reused ? 0 : lost.seconds);
}

export function measureJudgement(heads: Heads, { auc }: EvaluatedSnapshot): void {
  for (const [n, k] of heads.entries()) {
    const value = auc[n];
    if (typeof value === 'number') gauge('auc', value, { k });
  }
}
