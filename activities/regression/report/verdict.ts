/** The verdict: two numbers with their intervals, and what to compare them with. */
import type { Interval } from '../bootstrap.ts';
import type { Metrics, StagingMetrics } from '../metrics.ts';
import { REFERABLE } from '../split-names.ts';
import { type Html, html } from './html.ts';
import { count, fixed, percent, range, signed, signedRange, some } from './numbers.ts';
import type { ReportData } from './report-data.ts';
import { tooFew } from './splits.ts';

/** Private leaderboard of 2015: quadratic weighted kappa on Kaggle's test pictures. */
const LEADERBOARD = [
  { name: 'Winner of 2015 (Min-Pooling, B. Graham)', qwk: 0.8496, digits: 4 },
  { name: 'Caffe, place 46 (I. Gamulin)', qwk: 0.631, digits: 3 },
  { name: 'Caffe, place 82 (YerevaNN)', qwk: 0.5, digits: 2 },
];

export function isMadeUp(metrics: Metrics): boolean {
  return metrics.source === 'synthetic';
}

export function renderVerdict({ metrics }: ReportData): Html {
  const { regression, baseline, folds } = metrics;
  const leaking = folds.unit === 'record';
  const referable = metrics.splits[REFERABLE]!;
  return html`
<section aria-labelledby="verdict">
  <h2 id="verdict" class="quiet">Verdict</h2>
  ${isMadeUp(metrics) && html`<p class="banner"><strong>Made-up eyes.</strong> These figures show that the pipeline works from the first byte to this page. They say nothing about medicine.</p>`}
  ${leaking && html`<p class="banner warn"><strong>Leaking folds.</strong> The records were shuffled as in 2015, not by patient: ${percent(folds.leak.eyes)} of the test records have another version of the same eye in training, ${percent(folds.leak.patients)} the same patient. Every figure here is better than it would be for new patients.</p>`}
  <div class="verdict">
    ${figure('Agreement with the graded stage', regression.qwk, regression.qwkInterval, 'Quadratic weighted kappa: 1 is perfect, 0 is chance.')}
    ${figure('Referable disease found', referable.auc, referable.aucInterval, `Area under the ROC curve, stage 2 and worse: 1 is perfect, 0.5 is chance.${tooFew(referable) ? ' Too few eyes on one side to say.' : ''}`)}
  </div>
  <p class="lead">On ${leaking ? `${some(records(regression), 'record')} (versions of ${some(folds.test.eyes, 'eye')})` : some(folds.test.eyes, 'eye')} of ${some(folds.test.patients, 'patient')} ${leaking ? 'of the test fold' : 'that no network had seen'},
  the four predictions and the regression give ${percent(regression.accuracy, 0)} of them exactly the stage of the grader, and are off by ${fixed(regression.mae, 2)} stages on average.
  ${regression.gain !== null && html`The regression is worth ${signed(regression.gain)} kappa (${intervalOf(regression.gainInterval)}) over adding up the four probabilities, which reaches ${fixed(baseline.qwk)}.`}</p>
  ${isMadeUp(metrics) ? null : comparison(metrics)}
</section>`;
}

/** All that was judged: eyes, or records where those were dealt. */
function records({ confusion }: StagingMetrics): number {
  return confusion.flat().reduce((sum, n) => sum + n, 0);
}

function figure(title: string, value: number | null, interval: Interval | null, explanation: string): Html {
  return html`
    <div class="figure">
      <h3>${title}</h3>
      <p class="number">${fixed(value)}</p>
      <p class="interval">${interval === null ? 'no interval: too few eyes' : html`95\u202f% interval <b>${range(interval)}</b>`}</p>
      ${interval !== null && value !== null && whisker(value, interval)}
      <p class="small">${explanation}</p>
    </div>`;
}

/** Value and interval on a line from 0 to 1; a value below chance stands at the left end. */
function whisker(value: number, interval: Interval): Html {
  const at = (x: number) => `${(Math.min(1, Math.max(0, x)) * 100).toFixed(2)}%`;
  return html`<svg class="whisker" aria-hidden="true" width="100%" height="24"><line class="scale" x1="0%" x2="100%" y1="9" y2="9"/><line class="span" x1="${at(interval[0])}" x2="${at(interval[1])}" y1="9" y2="9"/><circle cx="${at(value)}" cy="9" r="5"/></svg>`;
}

function comparison({ regression, majority, folds }: Metrics): Html {
  const rows = [
    ...LEADERBOARD.map(row => ({ ...row, interval: null as Interval | null, own: false })),
    { name: 'This run', qwk: regression.qwk, interval: regression.qwkInterval, own: true, digits: 3 },
    {
      name: `Always stage ${majority.stage ?? 0} (majority guess)`,
      qwk: majority.qwk,
      interval: null,
      own: false,
      digits: 0,
    },
  ].sort((a, b) => (b.qwk ?? -1) - (a.qwk ?? -1));
  return html`
  <table class="bars">
    <caption>Quadratic weighted kappa beside 2015. ${folds.unit === 'record' ? 'These eyes leaked into training and are not Kaggle\u2019s test pictures: the bars do not compare.' : `These ${count(folds.test.eyes)} eyes are held out from the training set and are not Kaggle\u2019s test pictures: the order of magnitude compares, the third decimal does not.`}</caption>
    <thead><tr><th scope="col">Who</th><th scope="col" class="wide"><span class="hidden">Bar</span></th><th scope="col" class="num">Kappa</th></tr></thead>
    <tbody>${rows.map(
      row =>
        html`<tr${row.own ? html` class="own"` : null}><th scope="row">${row.name}</th><td class="wide"><span class="bar" style="--share:${Math.max(0, row.qwk ?? 0).toFixed(4)}"></span></td><td class="num">${fixed(row.qwk, row.digits)}${row.interval && html`<br><span class="small nowrap">${range(row.interval, 2)}</span>`}</td></tr>`,
    )}</tbody>
  </table>`;
}

function intervalOf(interval: Interval | null): string {
  return interval === null ? 'no interval' : `95\u202f% interval ${signedRange(interval)}`;
}
