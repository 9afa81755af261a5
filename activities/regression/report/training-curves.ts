/** Loss and AUC over the epochs of each training. */
import type { CurvePoint } from '../tables.ts';
import { drawChart, type Series } from './chart.ts';
import { type Html, html } from './html.ts';
import { fixed, some } from './numbers.ts';
import type { ReportData } from './report-data.ts';

/** More points than this are narrower than the line. */
const MOST_POINTS = 150;

export function renderTrainingCurves({ curves, input }: Pick<ReportData, 'curves' | 'input'>): Html {
  const names = [...new Set(curves.map(point => point.split))];
  if (names.length === 0) return html``;
  // Epochs are counted from 1, iterations over the whole run.
  const perEpoch = curves.reduce((most, p) => Math.max(most, p.iteration / Math.max(1, p.epoch)), 0) || 1;
  const sampled = curves.some(point => point.metric === 'training auc');
  const interrupted = curves.some(point => point.attempt > 1);
  return html`
<section aria-labelledby="training">
  <h2 id="training">Training</h2>
  <p class="legend"><span class="key"><i style="--color:var(--soft)"></i>training</span> <span class="key"><i style="--color:var(--accent)"></i>validation</span> <span class="key"><i class="ring"></i>snapshot that was used: the highest AUC on the validation fold</span>${interrupted && html` <span class="key"><i class="dash"></i>done again from here after an interruption</span>`}</p>
  <div class="grid">${names.flatMap(name => {
    const own = curves.filter(point => point.split === name);
    // Four heads share their snapshots: one of them was used for all.
    const used = usedEpoch(input.training.layout === 'four-heads' ? curves : own);
    return [lossFigure(name, own, perEpoch, input.training.segmentsPerEpoch), aucFigure(name, own, perEpoch, used)];
  })}</div>
  <p class="small">The training loss is of the batches as they are trained on, the validation loss and the validation AUC of every version of every eye of the validation fold, at the end of each epoch.${sampled && html` The training AUC is of a sample of the training records, a sixteenth of them, but 256 to 4,096: what it has above the other was learned by heart.`}</p>
</section>`;
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

/** The epoch with the highest mean AUC on the validation fold, the earlier one of two equals; null where none was judged. */
function usedEpoch(curves: readonly CurvePoint[]): number | null {
  const judged = curves.filter(point => point.metric === 'validation auc' && Number.isFinite(point.value));
  const epochs = [...new Set(judged.map(point => point.epoch))].sort((a, b) => a - b);
  const meanAuc = (epoch: number) => {
    const own = judged.filter(point => point.epoch === epoch);
    return own.reduce((sum, point) => sum + point.value, 0) / own.length;
  };
  return epochs.length === 0 ? null : epochs.reduce((best, epoch) => (meanAuc(epoch) > meanAuc(best) ? epoch : best));
}

/** Where segments begin that an attempt before had begun, in epochs. */
export function interruptions(curves: readonly CurvePoint[], perEpoch: number, segmentsPerEpoch: number): number[] {
  const perSegment = perEpoch / segmentsPerEpoch;
  const again = curves.filter(point => point.metric === 'loss' && point.attempt > 1);
  const segments = new Set(again.map(point => Math.floor(Math.max(0, point.iteration - 1) / perSegment)));
  return [...segments].sort((a, b) => a - b).map(segment => segment / segmentsPerEpoch);
}

function lossFigure(
  name: string,
  curves: readonly CurvePoint[],
  perEpoch: number,
  segmentsPerEpoch: number,
): Html | null {
  const training = pointsOf(curves, 'loss', perEpoch);
  const validation = pointsOf(curves, 'validation loss', perEpoch);
  const series: Series[] = [
    { points: training, color: 'var(--soft)', width: 1 },
    { points: validation, color: 'var(--accent)' },
  ].filter(({ points }) => points.length > 0);
  if (series.length === 0) return null;
  const last = validation.at(-1) ?? training.at(-1)!;
  const marks = interruptions(curves, perEpoch, segmentsPerEpoch);
  return html`<figure><figcaption><b class="nowrap">${name}</b> loss</figcaption>${drawChart({
    label: `Loss of ${name} over the epochs, at the end ${fixed(last[1])}${marks.length > 0 ? `; interrupted ${some(marks.length, 'time')}` : ''}`,
    width: 300,
    height: 220,
    x: { name: 'Epoch', min: 0 },
    y: { name: 'Loss', min: 0 },
    series,
    marks,
  })}</figure>`;
}

function aucFigure(name: string, curves: readonly CurvePoint[], perEpoch: number, used: number | null): Html | null {
  const points = pointsOf(curves, 'validation auc', perEpoch);
  if (points.length === 0) return null;
  const snapshot = points.find(([epoch]) => Math.round(epoch) === used) ?? points.at(-1)!;
  const training = pointsOf(curves, 'training auc', perEpoch);
  const trained = training.find(([epoch]) => epoch === snapshot[0]);
  const lowest = Math.min(0.5, ...[...points, ...training].map(([, auc]) => auc));
  return html`<figure><figcaption><b class="nowrap">${name}</b> AUC ${fixed(snapshot[1])}, epoch ${fixed(snapshot[0], 0)}</figcaption>${drawChart(
    {
      label: `AUC of ${name} on the validation fold over the epochs: ${fixed(snapshot[1])} at epoch ${fixed(snapshot[0], 0)}, whose snapshot was used${trained ? `; ${fixed(trained[1])} on training records then` : ''}`,
      width: 300,
      height: 220,
      x: { name: 'Epoch', min: 0 },
      y: { name: 'AUC', min: Math.floor(lowest * 10) / 10, max: 1 },
      series: [
        { points: training, color: 'var(--soft)', width: 1.5 },
        { points, color: 'var(--accent)' },
        { points: [snapshot], color: 'var(--second)', markers: true },
      ].filter(({ points }) => points.length > 0),
    },
  )}</figure>`;
}
