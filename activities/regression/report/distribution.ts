/** How the regression's score is spread within each graded stage, and where the cuts lie. */

import { STAGE_NAMES } from '../split-names.ts';
import type { ReadPrediction } from '../tables.ts';
import { type Html, html } from './html.ts';
import { fixed, some } from './numbers.ts';
import type { ReportData } from './report-data.ts';
import { drawing } from './svg.ts';

const WIDTH = 360;
const LEFT = 8;
const RIGHT = 8;
const ROW = 62;
/** Room for a row's title above its bars. */
const TITLE = 24;
const TOP = 22;
const BINS = 45;

export function renderDistribution({ metrics, predictions }: ReportData): Html {
  const { cuts, intercept, weights } = metrics.regression;
  const test = predictions.filter(eye => eye.fold === 'test');
  if (test.length === 0) return html``;
  return html`
<section aria-labelledby="distribution">
  <h2 id="distribution">The score, stage by stage</h2>
  <div class="columns">
    <figure><figcaption>Score of the test eyes within each graded stage. Vertical lines: the four cuts.</figcaption>${drawRows(test, cuts)}</figure>
    <div>
      ${weightTable(metrics.regression.features, weights, intercept)}
      <table>
        <caption>Cuts: from here on the next stage.</caption>
        <thead><tr><th scope="col">Between</th><th scope="col" class="num">Cut</th><th scope="col" class="num">Halfway</th></tr></thead>
        <tbody>${cuts.map((cut, k) => html`<tr><th scope="row">${k} and ${k + 1}</th><td class="num">${fixed(cut)}</td><td class="num">${fixed(k + 0.5, 1)}</td></tr>`)}</tbody>
      </table>
      <p class="small">Ridge strength ${Number(metrics.regression.ridge.strength.toPrecision(3))}, ${STRENGTH_BY[metrics.regression.ridge.by]}. Fitted on ${some(metrics.regression.fittedOn.eyes, metrics.folds.unit === 'record' ? 'record' : 'eye')} of ${some(metrics.regression.fittedOn.patients, 'patient')} of the validation fold, where kappa is ${fixed(metrics.regression.fittedOn.qwk)}.</p>
    </div>
  </div>
</section>`;
}

const STRENGTH_BY = {
  'cross-validation': 'chosen by cross-validation over patients',
  input: 'as the input says',
  default: 'the default, for there are too few patients to try others',
};

function weightTable(features: readonly string[], weights: readonly number[], intercept: number): Html {
  return html`
      <table>
        <caption>Weights. Natural are 1, 1, 1, 1 and intercept 0: then the score is the expected stage.</caption>
        <thead><tr><th scope="col">Feature</th><th scope="col" class="num">Weight</th><th scope="col" class="num">Natural</th></tr></thead>
        <tbody>${features.map((name, j) => html`<tr><th scope="row">${featureName(name)}</th><td class="num">${fixed(weights[j])}</td><td class="num">${NATURAL.test(name) ? 1 : 0}</td></tr>`)}
        <tr><th scope="row">Intercept</th><td class="num">${fixed(intercept)}</td><td class="num">0</td></tr></tbody>
      </table>`;
}

/** The eye's own four probabilities: all else adds nothing to the expected stage. */
const NATURAL = /^p\d$/;

function featureName(name: string): string {
  const p = `P(y\u2009>\u2009${name.slice(-1)})`;
  if (name.startsWith('fellow')) return `${p} of the fellow eye`;
  return name.startsWith('spread') ? `Spread of ${p}` : p;
}

/** Five histograms below each other on one scale, each as high as its fullest bin. */
function drawRows(test: readonly ReadPrediction[], cuts: readonly number[]): Html {
  const scores = test.map(eye => eye.expected);
  const inView = cuts.filter(cut => cut > Math.min(...cuts) - 1 && cut < Math.max(...cuts) + 1);
  const low =
    Math.min(
      scores.reduce((a, b) => Math.min(a, b)),
      ...inView,
    ) - 0.1;
  const high =
    Math.max(
      scores.reduce((a, b) => Math.max(a, b)),
      ...inView,
    ) + 0.1;
  const x = (score: number) => LEFT + ((score - low) / (high - low)) * (WIDTH - LEFT - RIGHT);
  const height = TOP + ROW * STAGE_NAMES.length + 40;
  const bottom = TOP + ROW * STAGE_NAMES.length;
  const ticks = Array.from({ length: Math.floor(high) - Math.ceil(low) + 1 }, (_, i) => Math.ceil(low) + i);
  const rows = STAGE_NAMES.map((name, stage) => {
    const eyes = test.filter(eye => eye.level === stage);
    const bins = new Array<number>(BINS).fill(0);
    for (const eye of eyes) bins[Math.min(BINS - 1, Math.floor(((eye.expected - low) / (high - low)) * BINS))]!++;
    const most = Math.max(1, ...bins);
    const base = TOP + ROW * (stage + 1) - 6;
    const step = (WIDTH - LEFT - RIGHT) / BINS;
    return html`<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${base}" y2="${base}" stroke="var(--rule)"/>${bins.map(
      (n, i) =>
        n === 0
          ? null
          : html`<rect x="${(LEFT + i * step + 0.5).toFixed(1)}" y="${(base - (n / most) * (ROW - TITLE - 8)).toFixed(1)}" width="${(step - 1).toFixed(1)}" height="${((n / most) * (ROW - TITLE - 8)).toFixed(1)}" fill="var(--s${stage})"/>`,
    )}<text x="${LEFT}" y="${base - ROW + 22}" font-size="12" fill="var(--ink)" stroke="var(--paper)" stroke-width="4" paint-order="stroke">${stage} ${name} <tspan fill="var(--soft)">${some(eyes.length, 'eye')}</tspan></text>`;
  });
  const label = `Histograms of the score within each graded stage, with the cuts at ${cuts.map(cut => fixed(cut, 2)).join(', ')}`;
  const content = html`${cuts.map(
    (cut, k) =>
      html`<line x1="${x(cut).toFixed(1)}" x2="${x(cut).toFixed(1)}" y1="${TOP - 6}" y2="${bottom}" stroke="var(--second)" stroke-width="1.5" stroke-dasharray="4 3"/><text x="${x(cut).toFixed(1)}" y="${TOP - 10}" font-size="11" text-anchor="middle" fill="var(--second)">${k}|${k + 1}</text>`,
  )}${rows}<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${bottom}" y2="${bottom}" stroke="var(--rule-strong)"/>${ticks.map(
    tick =>
      html`<text x="${x(tick).toFixed(1)}" y="${bottom + 15}" font-size="12" text-anchor="middle" fill="var(--soft)">${fixed(tick, 0)}</text>`,
  )}<text x="${WIDTH / 2}" y="${bottom + 35}" font-size="12" text-anchor="middle" fill="var(--soft)">Score of the regression</text>`;
  return drawing({ label, width: WIDTH, height }, content);
}
