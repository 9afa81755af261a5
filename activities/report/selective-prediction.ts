/** Renders kappa for the case that a person grades the least certain eyes. */
import { fixed, percent, whole } from '../../lib/format.ts';
import { figure, line } from './chart.ts';
import { type Html, html, section, table } from './html.ts';
import type { ReportData } from './report-data.ts';
import { ENOUGH } from './splits.ts';

/** Steps of the curve that the table lists. */
const NAMED = [0, 0.1, 0.2, 0.3, 0.5];

export function renderSelectivePrediction({ metrics }: ReportData): Html | null {
  // With fewer eyes, each one changes kappa by a jump.
  const points = metrics.riskCoverage.filter((point, i) => i === 0 || point.eyes >= ENOUGH);
  if (points.length === 0) return null;
  const curve = (of: (point: (typeof points)[number]) => number | null) =>
    points.flatMap((point): [number, number][] => {
      const value = of(point);
      return value === null ? [] : [[point.handedOver * 100, value]];
    });
  const rest = curve(point => point.qwkOfRest);
  const together = curve(point => point.qwkTogether);
  const lowest = Math.min(0.5, ...rest.map(([, kappa]) => kappa));
  const named = points.filter(point => NAMED.some(share => Math.abs(share - point.handedOver) < 1e-9));
  return section(
    'handover',
    'If the least certain went to a person',
    html`<p>Eyes are handed over by what the four probabilities expect the square of the error to be, the most doubtful first. Of the rest the machine keeps its answer. The curves end where fewer than ${ENOUGH} eyes are left.</p>`,
    html`<div class="columns">${figure(
      html`<span class="legend"><span class="key"><i style="--color:var(--accent)"></i>the eyes left to the machine</span> <span class="key"><i style="--color:var(--second)"></i>all, if the person grades as the grader did</span></span>`,
      {
        label: 'Quadratic weighted kappa against the share of eyes that is handed over',
        description: named.map(point => `${percent(point.handedOver, 0)}: ${fixed(point.qwkOfRest)}`).join(', '),
        width: 480,
        height: 290,
        x: { name: 'Handed over, %', min: 0, max: 100, interval: 25 },
        y: { name: 'Kappa', min: Math.floor(lowest * 10) / 10, max: 1 },
        series: [line(rest, 'var(--accent)'), line(together, 'var(--second)')],
      },
    )}${table('Kappa by the share handed over', named, [
      ['Handed over', point => percent(point.handedOver, 0), 'num'],
      ['Left', point => whole(point.eyes), 'num'],
      ['Kappa of these', point => fixed(point.qwkOfRest), 'num'],
      ['Kappa of all', point => fixed(point.qwkTogether), 'num'],
    ])}</div>`,
  );
}
