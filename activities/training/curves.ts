/** The curves of a training as one table. */
import { splitName } from '../regression/split-names.ts';
import type { CurvePoint } from './caffe-log.ts';
import type { EvaluatedSnapshot, Heads } from './types.ts';

export interface SegmentCurve {
  key: string;
  epoch: number;
  /** The iteration the segment ends at. */
  iteration: number;
  points: CurvePoint[];
}

/** `split,epoch,iteration,metric,value`; metrics as the type of `collectCurves` lists them. */
export function formatCurves(
  heads: Heads,
  segments: readonly SegmentCurve[],
  evaluations: readonly EvaluatedSnapshot[],
): string {
  const [only] = heads;
  const trunk = heads.length === 1 && only !== undefined ? splitName(only) : 'four heads';
  const lines = ['split,epoch,iteration,metric,value'];
  for (const { epoch, points } of segments) {
    for (const { iteration, values } of points) {
      for (const [metric, value] of Object.entries(values))
        lines.push([trunk, epoch, iteration, metric, value].join(','));
    }
  }
  const ends = new Map(segments.map(({ key, iteration }) => [key, iteration]));
  for (const { epoch, snapshot, auc, accuracy, loss } of evaluations) {
    const iteration = ends.get(snapshot);
    if (iteration === undefined) continue;
    for (const [i, k] of heads.entries()) {
      for (const [metric, value] of [
        ['validation auc', auc[i]],
        ['validation accuracy', accuracy[i]],
        ['validation loss', loss[i]],
      ] as const) {
        if (value !== null && value !== undefined)
          lines.push([splitName(k), epoch, iteration, metric, value].join(','));
      }
    }
  }
  return `${lines.join('\n')}\n`;
}
