/** Formats the curves of a training as one table. */
import { splitName } from '../../config/grades.ts';
import type { CurvePoint } from '../caffe/caffe-log.ts';
import type { EvaluatedSnapshot, Heads } from './types.ts';

export interface SegmentCurve {
  key: string;
  epoch: number;
  /** Last iteration of the segment. */
  iteration: number;
  /** Number of the attempt that trained the segment, from 1. */
  attempt: number;
  points: CurvePoint[];
}

export const CURVES_HEADER = 'split,epoch,iteration,metric,value,attempt,time';

/** Formats `split,epoch,iteration,metric,value,attempt,time`; the type of `collectCurves` lists the metrics. */
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
  for (const evaluation of evaluations) {
    const { epoch, snapshot, attempt, at } = evaluation;
    const iteration = ends.get(snapshot);
    if (iteration === undefined) continue;
    for (const [i, k] of heads.entries())
      for (const [metric, value] of figuresOf(evaluation, i))
        lines.push([splitName(k), epoch, iteration, metric, value, attempt, at].join(','));
  }
  return `${lines.join('\n')}\n`;
}

/** Returns the values of a head by metric, without those that cannot be computed. */
export function figuresOf({ auc, accuracy, loss, training }: EvaluatedSnapshot, head: number): [string, number][] {
  const figures = {
    'validation auc': auc[head],
    'validation accuracy': accuracy[head],
    'validation loss': loss[head],
    'training auc': training.auc[head],
  };
  return Object.entries(figures).flatMap(([metric, value]) => (typeof value === 'number' ? [[metric, value]] : []));
}
