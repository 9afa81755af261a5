/** What kappa would be if the least certain eyes went to a person. */
import { drawChart } from './chart.ts';
import { type Html, html } from './html.ts';
import { count, fixed, percent } from './numbers.ts';
import type { ReportData } from './report-data.ts';
import { ENOUGH } from './splits.ts';

/** Of the curve's steps, those that the table names. */
const NAMED = [0, 0.1, 0.2, 0.3, 0.5];

export function renderHandOver({ metrics }: Pick<ReportData, 'metrics'>): Html | null {
  // Of fewer eyes kappa jumps with each.
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
  return html`
<section aria-labelledby="handover">
  <h2 id="handover">If the least certain went to a person</h2>
  <p>Eyes are handed over by what the four probabilities expect the square of the error to be, the most doubtful first. Of the rest the machine keeps its answer. The curves end where fewer than ${ENOUGH} eyes are left.</p>
  <div class="columns">
    <figure><figcaption class="legend"><span class="key"><i style="--color:var(--accent)"></i>the eyes left to the machine</span> <span class="key"><i style="--color:var(--second)"></i>all, if the person grades as the grader did</span></figcaption>${drawChart(
      {
        label: 'Quadratic weighted kappa against the share of eyes that is handed over',
        description: named.map(point => `${percent(point.handedOver, 0)}: ${fixed(point.qwkOfRest)}`).join(', '),
        width: 480,
        height: 290,
        x: { name: 'Handed over, %', min: 0, max: 100, interval: 25 },
        y: { name: 'Kappa', min: Math.floor(lowest * 10) / 10, max: 1 },
        series: [
          { points: rest, color: 'var(--accent)' },
          { points: together, color: 'var(--second)' },
        ],
      },
    )}</figure>
    <div class="scroll" role="region" aria-label="Kappa by the share handed over" tabindex="0">
    <table>
      <thead><tr><th scope="col" class="num">Handed over</th><th scope="col" class="num">Left</th><th scope="col" class="num">Kappa of these</th><th scope="col" class="num">Kappa of all</th></tr></thead>
      <tbody>${named.map(point => html`<tr><th scope="row" class="num">${percent(point.handedOver, 0)}</th><td class="num">${count(point.eyes)}</td><td class="num">${fixed(point.qwkOfRest)}</td><td class="num">${fixed(point.qwkTogether)}</td></tr>`)}</tbody>
    </table>
    </div>
  </div>
</section>`;
}
