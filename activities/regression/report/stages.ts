/** From four probabilities to a stage: the confusion matrix and the ways of getting there. */
import type { Metrics, StagingMetrics } from '../metrics.ts';
import { STAGE_NAMES } from '../split-names.ts';
import { type Html, html } from './html.ts';
import { count, fixed, percent, range } from './numbers.ts';
import type { ReportData } from './report-data.ts';

export function renderStages({ metrics }: ReportData): Html {
  return html`
<section aria-labelledby="stages">
  <h2 id="stages">Graded stage against predicted stage</h2>
  <div class="columns">
    ${confusionTable(metrics.regression, metrics.folds.unit === 'record' ? 'Records' : 'Eyes')}
    ${ways(metrics)}
  </div>
</section>`;
}

function confusionTable({ confusion, recall }: StagingMetrics, what: string): Html {
  return html`
    <div class="scroll" role="region" aria-label="Confusion matrix" tabindex="0">
    <table class="confusion">
      <caption>${what} of the test fold. Row: stage as graded. Column: stage as predicted. Shade: share of the row.</caption>
      <thead><tr><th scope="col">Graded</th>${STAGE_NAMES.map((_, j) => html`<th scope="col">${j}</th>`)}<th scope="col">Found</th></tr></thead>
      <tbody>${confusion.map((row, i) => {
        const eyes = row.reduce((sum, n) => sum + n, 0);
        return html`<tr><th scope="row">${i} <span class="small">${STAGE_NAMES[i]!}</span></th>${row.map((n, j) => {
          const share = eyes === 0 ? 0 : n / eyes;
          return html`<td${i === j ? html` class="same"` : null} style="--share:${share.toFixed(3)}">${count(n)}</td>`;
        })}<td class="plain">${percent(recall[i], 0)}</td></tr>`;
      })}</tbody>
    </table>
    </div>`;
}

/** Mean distance in stages of giving every eye the same one; null without eyes. */
function majorityDistance(stage: number | null, confusion: StagingMetrics['confusion']): number | null {
  if (stage === null) return null;
  const eyes = confusion.map(row => row.reduce((sum, n) => sum + n, 0));
  const all = eyes.reduce((sum, n) => sum + n, 0);
  return eyes.reduce((sum, n, graded) => sum + n * Math.abs(graded - stage), 0) / all;
}

function ways({ regression, baseline, argmax, majority, splits }: Metrics): Html {
  const row = (name: string, how: string, way: Partial<StagingMetrics>) =>
    html`<tr><th scope="row">${name}<br><span class="small">${how}</span></th><td class="num">${fixed(way.qwk)}<br><span class="small nowrap">${way.qwkInterval && range(way.qwkInterval, 2)}</span></td><td class="num">${percent(way.accuracy)}</td><td class="num">${fixed(way.mae, 2)}</td></tr>`;
  return html`
    <div class="scroll" role="region" aria-label="Ways to a stage" tabindex="0">
    <table>
      <caption>Four ways from the ${splits.length} probabilities to a stage, on the same eyes.</caption>
      <thead><tr><th scope="col">Way</th><th scope="col" class="num">Kappa</th><th scope="col" class="num">Exact</th><th scope="col" class="num">Off by</th></tr></thead>
      <tbody>
        ${row('Regression', regression.cutsTuned ? 'ridge, cuts tuned on validation' : 'ridge, cuts at halves', regression)}
        ${row('Sum of the four', 'E[y] = \u03a3 P(y\u2009>\u2009k), cuts at halves', baseline)}
        ${row('Most probable stage', 'after making the four fall', argmax)}
        ${row('Majority guess', majority.stage === null ? 'no eyes' : `always stage ${majority.stage}`, { qwk: majority.qwk, accuracy: majority.accuracy, mae: majorityDistance(majority.stage, regression.confusion) })}
      </tbody>
    </table>
    </div>`;
}
