/** Loss and AUC of each split over the epochs that are done. */
import { drawChart, type Series } from '../regression/report/chart.ts';
import { type Html, html } from '../regression/report/html.ts';
import { fixed } from '../regression/report/numbers.ts';
import { splitName } from '../regression/split-names.ts';
import type { EpochPoint, PageSplit } from './types.ts';

/** Nothing until an epoch has been judged. */
export function renderCurves(splits: readonly PageSplit[]): Html | null {
  const judged = splits.filter(({ curve }) => curve.length > 0);
  if (judged.length === 0) return null;
  return html`
<section aria-labelledby="training">
  <h2 id="training">Curves</h2>
  <p class="legend"><span class="key"><i style="--color:var(--soft)"></i>training</span> <span class="key"><i style="--color:var(--accent)"></i>validation</span></p>
  <div class="grid">${judged.flatMap(split => [lossFigure(split), aucFigure(split)])}</div>
</section>`;
}

function lossFigure({ k, epochs, curve }: PageSplit): Html {
  const name = splitName(k);
  const series: Series[] = [
    { points: pointsOf(curve, 'loss'), color: 'var(--soft)', width: 1.5 },
    { points: pointsOf(curve, 'validationLoss'), color: 'var(--accent)' },
  ];
  return figure(name, 'loss', {
    label: `Loss of ${name} after ${curve.length} of ${epochs} epochs, ${fixed(curve.at(-1)?.validationLoss)} on the validation fold`,
    epochs,
    y: { name: 'Loss', min: 0 },
    series,
  });
}

function aucFigure({ k, epochs, curve, bestAuc, bestEpoch }: PageSplit): Html {
  const name = splitName(k);
  const points = pointsOf(curve, 'auc');
  const training = pointsOf(curve, 'trainingAuc');
  const lowest = Math.min(0.5, ...[...points, ...training].map(([, auc]) => auc));
  const best = points.filter(([epoch]) => epoch === bestEpoch);
  return figure(name, `AUC, best ${fixed(bestAuc)}`, {
    label: `AUC of ${name} on the validation fold after ${curve.length} of ${epochs} epochs, best ${fixed(bestAuc)}${training.length > 0 ? `; ${fixed(training.at(-1)![1])} on training records` : ''}`,
    epochs,
    y: { name: 'AUC', min: Math.floor(lowest * 10) / 10, max: 1 },
    series: [
      { points: training, color: 'var(--soft)', width: 1.5 },
      { points, color: 'var(--accent)' },
      { points: best, color: 'var(--second)', markers: true },
    ],
  });
}

interface Plot {
  label: string;
  epochs: number;
  y: { name: string; min: number; max?: number };
  series: Series[];
}

function figure(name: string, what: string, { label, epochs, y, series }: Plot): Html {
  return html`<figure><figcaption><b class="nowrap">${name}</b> ${what}</figcaption>${drawChart({
    ...{ label, width: 300, height: 220, y, series: series.filter(({ points }) => points.length > 0) },
    // The whole way, so that it shows how far there is to go.
    x: { name: 'Epoch', min: 0, max: epochs },
  })}</figure>`;
}

function pointsOf(curve: readonly EpochPoint[], what: Exclude<keyof EpochPoint, 'epoch'>): [number, number][] {
  return curve.flatMap((point): [number, number][] => {
    const value = point[what] ?? null;
    return value === null ? [] : [[point.epoch, value]];
  });
}
