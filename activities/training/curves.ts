/** The curves of a training as one table. */
import { splitName } from '../regression/split-names.ts';
import type { CurvePoint } from './caffe-log.ts';
import type { EvaluatedSnapshot, Heads } from './types.ts';

export interface SegmentCurve {
  key: string;
  epoch: number;
  /** The iteration the segment ends at. */
  iteration: number;
  /** Which attempt at the segment it was that trained it, from 1. */
  attempt: number;
  points: CurvePoint[];
}

export const CURVES_HEADER = 'split,epoch,iteration,metric,value,attempt,time';

/** `split,epoch,iteration,metric,value,attempt,time`; metrics as the type of `collectCurves` lists them. */
export function formatCurves(
  heads: Heads,
  segments: readonly SegmentCurve[],
  evaluations: readonly EvaluatedSnapshot[],
): string {
  const [only] = heads;
  const trunk = heads.length === 1 && only !== undefined ? splitName(only) : 'four heads';
  const lines = [CURVES_HEADER];
  for (const { epoch, attempt, points } of segments) {
    for (const { iteration, time, values } of points) {
      for (const [metric, value] of Object.entries(values))
        lines.push([trunk, epoch, iteration, metric, value, attempt, new Date(time).toISOString()].join(','));
    }
  }
  const ends = new Map(segments.map(({ key, iteration }) => [key, iteration]));
  for (const { epoch, snapshot, auc, accuracy, loss, training, attempt, at } of evaluations) {
    const iteration = ends.get(snapshot);
    if (iteration === undefined) continue;
    for (const [i, k] of heads.entries()) {
      for (const [metric, value] of [
        ['validation auc', auc[i]],
        ['validation accuracy', accuracy[i]],
        ['validation loss', loss[i]],
        ['training auc', training?.auc[i]],
      ] as const) {
        if (value !== null && value !== undefined)
          lines.push([splitName(k), epoch, iteration, metric, value, attempt, at].join(','));
      }
    }
  }
  return `${lines.join('\n')}\n`;
}
