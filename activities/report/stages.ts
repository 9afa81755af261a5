/** Renders the predicted grades: the confusion matrix, the grading methods, the distribution of the score, and the worst errors. */

import { STAGE_NAMES } from '../../config/grades.ts';
import { counted, fixed, percent, range, whole } from '../../lib/format.ts';
import { total } from '../regression/kappa.ts';
import type { StagingMetrics } from '../regression/metrics.ts';
import type { ReadPrediction } from '../regression/tables.ts';
import { SIDE, type WorstEye } from '../regression/worst-errors.ts';
import { bars, type Chart, figure } from './chart.ts';
import { type Html, html, probabilityColumns, section, small, stacked, table, withInterval } from './html.ts';
import type { ReportData } from './report-data.ts';
import type { Metrics } from './types.ts';

export function renderStages({ metrics }: ReportData): Html {
  const what = metrics.folds.unit === 'record' ? 'Records' : 'Eyes';
  return section(
    'stages',
    'Graded stage against predicted stage',
    html`<div class="columns">${confusionTable(metrics.regression, what)}${ways(metrics)}</div>`,
  );
}

function confusionTable({ confusion, recall }: StagingMetrics, what: string): Html {
  const columns = STAGE_NAMES.map((_, stage) => stage);
  const row = (eyes: readonly number[], graded: number) => {
    const all = Math.max(1, total(eyes));
    return html`<tr><th scope="row">${graded} ${small(STAGE_NAMES[graded])}</th>${eyes.map(
      (n, stage) =>
        html`<td${stage === graded && html` class="same"`} style="--share:${(n / all).toFixed(3)}">${whole(n)}</td>`,
    )}<td class="plain">${percent(recall[graded], 0)}</td></tr>`;
  };
  return html`
    <div class="scroll" role="region" aria-label="Confusion matrix" tabindex="0">
    <table class="confusion">
      <caption>${what} of the test fold. Row: stage as graded. Column: stage as predicted. Shade: share of the row.</caption>
      <thead><tr><th scope="col">Graded</th>${columns.map(stage => html`<th scope="col">${stage}</th>`)}<th scope="col">Found</th></tr></thead>
      <tbody>${confusion.map(row)}</tbody>
    </table>
    </div>`;
}

/** Returns the mean absolute error of predicting the same grade for every eye; null without eyes. */
function majorityDistance(stage: number | null, confusion: StagingMetrics['confusion']): number | null {
  if (stage === null) return null;
  const eyes = confusion.map(total);
  return total(eyes.map((n, graded) => n * Math.abs(graded - stage))) / total(eyes);
}

function ways({ regression, baseline, argmax, majority, splits }: Metrics): Html {
  const always = { ...majority, mae: majorityDistance(majority.stage, regression.confusion) };
  const rows: [name: string, how: string, way: Partial<StagingMetrics>][] = [
    ['Regression', regression.cutsTuned ? 'ridge, cuts tuned on validation' : 'ridge, cuts at halves', regression],
    ['Sum of the four', 'E[y] = \u03a3 P(y\u2009>\u2009k), cuts at halves', baseline],
    ['Most probable stage', 'after making the four fall', argmax],
    ['Majority guess', majority.stage === null ? 'no eyes' : `always stage ${majority.stage}`, always],
  ];
  return table(
    'Ways to a stage',
    rows,
    [
      ['Way', ([name, how]) => stacked(name, how)],
      ['Kappa', ([, , { qwk, qwkInterval }]) => withInterval(fixed(qwk), qwkInterval && range(qwkInterval, 2)), 'num'],
      ['Exact', ([, , way]) => percent(way.accuracy), 'num'],
      ['Off by', ([, , way]) => fixed(way.mae, 2), 'num'],
    ],
    { caption: `Four ways from the ${splits.length} probabilities to a stage, on the same eyes.` },
  );
}

/** Renders the distribution of the regression's score within each actual grade, and the thresholds. Returns null without test eyes. */
export function renderDistribution({ metrics, predictions }: ReportData): Html | null {
  const { cuts, intercept, weights, features, ridge, fittedOn } = metrics.regression;
  const test = predictions.filter(eye => eye.fold === 'test');
  if (test.length === 0) return null;
  const weighted = [
    ...features.map((name, j) => ({
      name: featureName(name),
      weight: weights[j],
      natural: NATURAL.test(name) ? 1 : 0,
    })),
    { name: 'Intercept', weight: intercept, natural: 0 },
  ];
  return section(
    'distribution',
    'The score, stage by stage',
    html`<div class="columns">
    ${figure('Score of the test eyes within each graded stage. Vertical lines: the four cuts.', histograms(test, cuts))}
    <div>${table(
      'Weights',
      weighted,
      [
        ['Feature', row => row.name],
        ['Weight', row => fixed(row.weight), 'num'],
        ['Natural', row => row.natural, 'num'],
      ],
      { caption: 'Weights. Natural are 1, 1, 1, 1 and intercept 0: then the score is the expected stage.' },
    )}${table(
      'Cuts',
      cuts,
      [
        ['Between', (_, k) => `${k} and ${k + 1}`],
        ['Cut', cut => fixed(cut), 'num'],
        ['Halfway', (_, k) => fixed(k + 0.5, 1), 'num'],
      ],
      { caption: 'Cuts: from here on the next stage.' },
    )}
    <p class="small">Ridge strength ${Number(ridge.strength.toPrecision(3))}, ${STRENGTH_BY[ridge.by]}. Fitted on ${counted(fittedOn.eyes, metrics.folds.unit === 'record' ? 'record' : 'eye')} of ${counted(fittedOn.patients, 'patient')} of the validation fold, where kappa is ${fixed(fittedOn.qwk)}.</p></div>
  </div>`,
  );
}

const STRENGTH_BY = {
  'cross-validation': 'chosen by cross-validation over patients',
  input: 'as the input says',
  default: 'the default, for there are too few patients to try others',
};

/** Names of the eye's own four probabilities. Other features do not contribute to the expected grade. */
const NATURAL = /^p\d$/;

function featureName(name: string): string {
  const p = `P(y\u2009>\u2009${name.slice(-1)})`;
  if (name.startsWith('fellow')) return `${p} of the fellow eye`;
  return name.startsWith('spread') ? `Spread of ${p}` : p;
}

const BINS = 45;
/** Height of the highest bar, as a share of its row. */
const FULLEST = 0.6;

/** Returns a histogram for each grade, grade 0 on top. They share the x axis, and each is scaled to its fullest bin. */
function histograms(test: readonly ReadPrediction[], cuts: readonly number[]): Chart {
  const inView = cuts.filter(cut => cut > Math.min(...cuts) - 1 && cut < Math.max(...cuts) + 1);
  const shown = [...test.map(eye => eye.expected), ...inView].sort((a, b) => a - b);
  const [low, high] = [shown[0]! - 0.1, shown.at(-1)! + 0.1];
  const width = (high - low) / BINS;
  const series = STAGE_NAMES.map((_, stage) => {
    const bins = new Array<number>(BINS).fill(0);
    for (const { level, expected } of test) {
      if (level === stage) bins[Math.min(BINS - 1, Math.floor((expected - low) / width))]!++;
    }
    const base = STAGE_NAMES.length - 1 - stage;
    const scale = FULLEST / Math.max(1, ...bins);
    const points = bins.map((n, i): [number, number] => [low + (i + 0.5) * width, base + n * scale]);
    return bars(points, `var(--s${stage})`, base);
  });
  const rows = STAGE_NAMES.map(
    (name, stage) => `${stage} ${name}, ${counted(test.filter(eye => eye.level === stage).length, 'eye')}`,
  );
  const ticks = Array.from({ length: Math.floor(high) - Math.ceil(low) + 1 }, (_, i) => Math.ceil(low) + i);
  return {
    label: `Histograms of the score within each graded stage, with the cuts at ${cuts.map(cut => fixed(cut, 2)).join(', ')}`,
    width: 360,
    height: 372,
    x: { name: 'Score of the regression', min: low, max: high, ticks },
    y: { name: '', min: 0, max: STAGE_NAMES.length, interval: 1 },
    rows: rows.reverse(),
    series,
    marks: inView.map(cut => ({ x: cut, title: `${cuts.indexOf(cut)}|${cuts.indexOf(cut) + 1}` })),
  };
}

/** Renders the test eyes with the largest errors of the regression. Returns null without errors. */
export function renderWrong({ worst }: ReportData): Html | null {
  if (worst.length === 0) return null;
  const shown = worst.some(eye => eye.jpeg !== null);
  return section(
    'wrong',
    'The eyes it got most wrong',
    html`<p>Test eyes whose score is furthest from their grade. ${shown ? 'Below each, what was graded and predicted, the score, and the four probabilities P(y\u2009>\u20090) to P(y\u2009>\u20093).' : 'Without their pictures.'}</p>`,
    shown
      ? html`<ol class="eyes">${worst.map(card)}</ol>`
      : table('Eyes that were most wrong', worst, [
          ['Eye', nameOf],
          ['Graded', eye => eye.level, 'num'],
          ['Predicted', eye => eye.predicted, 'num'],
          ['Score', eye => fixed(eye.expected, 2), 'num'],
          ...probabilityColumns,
        ]),
  );
}

function card(eye: WorstEye): Html {
  const { level, predicted, expected, p, jpeg } = eye;
  const name = nameOf(eye);
  return html`
    <li class="eye"><figure>${
      jpeg === null
        ? html`<span class="gap">no picture</span>`
        : html`<img width="${SIDE}" height="${SIDE}" alt="Eye ${name}, graded stage ${level}" src="data:image/jpeg;base64,${jpeg.toString('base64')}">`
    }<figcaption class="eye-caption"><b class="nowrap">${name}</b><br>graded <b>${level}</b>, predicted <b>${predicted}</b><br>${small(html`score ${fixed(expected, 2)}<br>${p.map(value => fixed(value * 100, 0)).join(' · ')}\u202f%`)}</figcaption></figure></li>`;
}

/** Returns `10_left`, or for a single version `10_left.fa`. */
export function nameOf({ image, version }: { image: string; version: string | null }): string {
  return version === null ? image : `${image}.${version}`;
}
