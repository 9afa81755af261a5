/** Loss and AUC over the epochs of each training. */
import type { CurvePoint } from '../tables.ts';
import { drawChart, type Series } from './chart.ts';
import { type Html, html } from './html.ts';
import { fixed } from './numbers.ts';
import type { ReportData } from './report-data.ts';

/** More points than this are narrower than the line. */
const MOST_POINTS = 150;

export function renderTrainingCurves({ curves }: ReportData): Html {
  const names = [...new Set(curves.map(point => point.split))];
  if (names.length === 0) return html``;
  // Epochs are counted from 1, iterations over the whole run.
  const perEpoch = curves.reduce((most, p) => Math.max(most, p.iteration / Math.max(1, p.epoch)), 0) || 1;
  return html`
<section aria-labelledby="training">
  <h2 id="training">Training</h2>
  <p class="legend"><span class="key"><i style="--color:var(--soft)"></i>training</span> <span class="key"><i style="--color:var(--accent)"></i>validation</span> <span class="key"><i class="ring"></i>snapshot that was used: the highest AUC on the validation fold</span></p>
  <div class="grid">${names.flatMap(name => {
    const own = curves.filter(point => point.split === name);
    return [lossFigure(name, own, perEpoch), aucFigure(name, own, perEpoch)];
  })}</div>
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
    const some = points.slice(i * bunch, (i + 1) * bunch);
    const mean = (axis: 0 | 1) => some.reduce((sum, point) => sum + point[axis], 0) / some.length;
    return [mean(0), mean(1)];
  });
}

function lossFigure(name: string, curves: readonly CurvePoint[], perEpoch: number): Html | null {
  const training = pointsOf(curves, 'loss', perEpoch);
  const validation = pointsOf(curves, 'validation loss', perEpoch);
  const series: Series[] = [
    { points: training, color: 'var(--soft)', width: 1.5 },
    { points: validation, color: 'var(--accent)' },
  ].filter(({ points }) => points.length > 0);
  if (series.length === 0) return null;
  const last = validation.at(-1) ?? training.at(-1)!;
  return html`<figure><figcaption><b class="nowrap">${name}</b> loss</figcaption>${drawChart({
    label: `Loss of ${name} over the epochs, at the end ${fixed(last[1])}`,
    width: 300,
    height: 220,
    x: { name: 'Epoch', min: 0 },
    y: { name: 'Loss', min: 0 },
    series,
  })}</figure>`;
}

function aucFigure(name: string, curves: readonly CurvePoint[], perEpoch: number): Html | null {
  const points = pointsOf(curves, 'validation auc', perEpoch);
  if (points.length === 0) return null;
  const best = points.reduce((a, b) => (b[1] > a[1] ? b : a));
  const lowest = points.reduce((low, [, auc]) => Math.min(low, auc), 0.5);
  return html`<figure><figcaption><b class="nowrap">${name}</b> AUC, best ${fixed(best[1])} at epoch ${fixed(best[0], 0)}</figcaption>${drawChart(
    {
      label: `AUC of ${name} on the validation fold over the epochs: best ${fixed(best[1])} at epoch ${fixed(best[0], 0)}`,
      width: 300,
      height: 220,
      x: { name: 'Epoch', min: 0 },
      y: { name: 'AUC', min: Math.floor(lowest * 10) / 10, max: 1 },
      series: [
        { points, color: 'var(--accent)' },
        { points: [best], color: 'var(--second)', markers: true },
      ],
    },
  )}</figure>`;
}
