/** Renders loss and AUC over the epochs of each training. */

import { splitName } from '../../config/grades.ts';
import { counted, fixed } from '../../lib/format.ts';
import type { CurvePoint } from '../regression/tables.ts';
import { figure, line, rings } from './chart.ts';
import { type Html, html, section } from './html.ts';
import type { RunData } from './report-data.ts';

/** Maximum number of points of a curve. With more, their distance is less than the line width. */
const MOST_POINTS = 150;

const SIZE = { width: 300, height: 220 };

export function renderTrainingCurves({
  curves,
  input,
  progress,
}: Pick<RunData, 'curves' | 'input' | 'progress'>): Html | null {
  const names = [...new Set(curves.map(point => point.split))];
  if (names.length === 0) return null;
  // Epochs count from 1, iterations count over the whole run.
  const perEpoch = curves.reduce((most, p) => Math.max(most, p.iteration / Math.max(1, p.epoch)), 0) || 1;
  const sampled = curves.some(point => point.metric === 'training auc');
  const interrupted = curves.some(point => point.attempt > 1);
  const figures = names.flatMap(name => {
    const own = curves.filter(point => point.split === name);
    // The axis of a running training has all its epochs, so that the chart shows how many remain.
    const epochs = progress?.splits.find(({ k }) => splitName(k) === name)?.epochs;
    const training: Training = { name, curves: own, perEpoch, epochs };
    // Four heads share their snapshots, and one snapshot is used for all heads.
    const best = bestEpoch(input.training.layout === 'four-heads' ? curves : own);
    return [lossFigure(training, input.training.segmentsPerEpoch), aucFigure(training, best)];
  });
  const ring = `${progress ? 'best snapshot so far' : 'snapshot that was used'}: the highest AUC on the validation fold`;
  return section(
    'training',
    'Training',
    html`<p class="legend"><span class="key"><i style="--color:var(--soft)"></i>training</span> <span class="key"><i style="--color:var(--accent)"></i>validation</span> <span class="key"><i class="ring"></i>${ring}</span>${interrupted && html` <span class="key"><i class="dash"></i>done again from here after an interruption</span>`}</p>
  <div class="grid">${figures}</div>
  <p class="small">The training loss is of the batches as they are trained on, the validation loss and the validation AUC of every version of every eye of the validation fold, at the end of each epoch.${sampled && html` The training AUC is of a sample of the training records, a sixteenth of them, but 256 to 4,096: what it has above the other was learned by heart.`}</p>`,
  );
}

interface Training {
  name: string;
  curves: readonly CurvePoint[];
  /** Iterations of an epoch. */
  perEpoch: number;
  /** Planned number of epochs of an unfinished training; undefined for a finished one. */
  epochs: number | undefined;
}

function pointsOf(curves: readonly CurvePoint[], metric: string, perEpoch: number): [number, number][] {
  const points = curves
    .filter(point => point.metric === metric && Number.isFinite(point.value))
    .map((point): [number, number] => [point.iteration / perEpoch, point.value])
    .sort((a, b) => a[0] - b[0]);
  const bunch = Math.ceil(points.length / MOST_POINTS);
  if (bunch <= 1) return points;
  return Array.from({ length: Math.ceil(points.length / bunch) }, (_, i) => {
    const own = points.slice(i * bunch, (i + 1) * bunch);
    const mean = (axis: 0 | 1) => own.reduce((sum, point) => sum + point[axis], 0) / own.length;
    return [mean(0), mean(1)];
  });
}

/** Returns the epoch with the highest mean AUC on the validation fold, the earlier one of equals; null where none was evaluated. */
function bestEpoch(curves: readonly CurvePoint[]): number | null {
  const judged = curves.filter(point => point.metric === 'validation auc' && Number.isFinite(point.value));
  const epochs = [...new Set(judged.map(point => point.epoch))].sort((a, b) => a - b);
  const meanAuc = (epoch: number) => {
    const own = judged.filter(point => point.epoch === epoch);
    return own.reduce((sum, point) => sum + point.value, 0) / own.length;
  };
  return epochs.length === 0 ? null : epochs.reduce((best, epoch) => (meanAuc(epoch) > meanAuc(best) ? epoch : best));
}

/** Returns the start, in epochs, of each segment that was started again after an interrupted attempt. */
export function interruptions(curves: readonly CurvePoint[], perEpoch: number, segmentsPerEpoch: number): number[] {
  const perSegment = perEpoch / segmentsPerEpoch;
  const again = curves.filter(point => point.metric === 'loss' && point.attempt > 1);
  const segments = new Set(again.map(point => Math.floor(Math.max(0, point.iteration - 1) / perSegment)));
  return [...segments].sort((a, b) => a - b).map(segment => segment / segmentsPerEpoch);
}

function lossFigure({ name, curves, perEpoch, epochs }: Training, segmentsPerEpoch: number): Html | null {
  const training = pointsOf(curves, 'loss', perEpoch);
  const validation = pointsOf(curves, 'validation loss', perEpoch);
  const last = validation.at(-1) ?? training.at(-1);
  if (!last) return null;
  const marks = interruptions(curves, perEpoch, segmentsPerEpoch);
  return figure(html`<b class="nowrap">${name}</b> loss`, {
    ...SIZE,
    label: `Loss of ${name} over ${epochsOf(epochs, last)}, at the end ${fixed(last[1])}${marks.length > 0 ? `; interrupted ${counted(marks.length, 'time')}` : ''}`,
    x: { name: 'Epoch', min: 0, max: epochs },
    y: { name: 'Loss', min: 0 },
    series: [line(training, 'var(--soft)', { width: 1 }), line(validation, 'var(--accent)')],
    marks: marks.map(x => ({ x })),
  });
}

function aucFigure({ name, curves, perEpoch, epochs }: Training, best: number | null): Html | null {
  const points = pointsOf(curves, 'validation auc', perEpoch);
  const snapshot = points.find(([epoch]) => Math.round(epoch) === best) ?? points.at(-1);
  if (!snapshot) return null;
  const training = pointsOf(curves, 'training auc', perEpoch);
  const trained = training.find(([epoch]) => epoch === snapshot[0]);
  const lowest = Math.min(0.5, ...[...points, ...training].map(([, auc]) => auc));
  const at = `${fixed(snapshot[1])} at epoch ${fixed(snapshot[0], 0)}`;
  return figure(html`<b class="nowrap">${name}</b> AUC ${fixed(snapshot[1])}, epoch ${fixed(snapshot[0], 0)}`, {
    ...SIZE,
    label: `AUC of ${name} on the validation fold over ${epochsOf(epochs, points.at(-1)!)}: ${at}, ${epochs === undefined ? 'whose snapshot was used' : 'the best so far'}${trained ? `; ${fixed(trained[1])} on training records then` : ''}`,
    x: { name: 'Epoch', min: 0, max: epochs },
    y: { name: 'AUC', min: Math.floor(lowest * 10) / 10, max: 1 },
    series: [
      line(training, 'var(--soft)', { width: 1.5 }),
      line(points, 'var(--accent)'),
      rings([snapshot], 'var(--second)'),
    ],
  });
}

function epochsOf(epochs: number | undefined, [last]: [number, number]): string {
  return epochs === undefined ? 'the epochs' : `${fixed(last, 0)} of ${epochs} epochs`;
}
