/** Renders the two main figures with their intervals, and the comparison with 2015. */

import { REFERABLE } from '../../config/grades.ts';
import { counted, fixed, percent, range, signed, signedRange, whole } from '../../lib/format.ts';
import type { Interval } from '../regression/bootstrap.ts';
import { total } from '../regression/kappa.ts';
import { bar, type Html, html, section, table, withInterval } from './html.ts';
import type { ReportData } from './report-data.ts';
import { commandOf } from './reproduce.ts';
import { tooFew } from './splits.ts';
import type { Metrics } from './types.ts';

/** Private leaderboard of 2015: quadratic weighted kappa on Kaggle's test images. */
const LEADERBOARD = [
  { name: 'Winner of 2015 (Min-Pooling, B. Graham)', qwk: 0.8496, digits: 4 },
  { name: 'Caffe, place 46 (I. Gamulin)', qwk: 0.631, digits: 3 },
  { name: 'Caffe, place 82 (YerevaNN)', qwk: 0.5, digits: 2 },
];

export function isMadeUp({ source }: { source: string }): boolean {
  return source === 'synthetic';
}

export function renderHeadline({ metrics }: ReportData): Html {
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
  <p class="lead">On ${leaking ? `${counted(total(regression.confusion.flat()), 'record')} (versions of ${counted(folds.test.eyes, 'eye')})` : counted(folds.test.eyes, 'eye')} of ${counted(folds.test.patients, 'patient')} ${leaking ? 'of the test fold' : 'that no network had seen'},
  the four predictions and the regression give ${percent(regression.accuracy, 0)} of them exactly the stage of the grader, and are off by ${fixed(regression.mae, 2)} stages on average.
  ${regression.gain !== null && html`The regression is worth ${signed(regression.gain)} kappa (${intervalOf(regression.gainInterval)}) over adding up the four probabilities, which reaches ${fixed(baseline.qwk)}.`}</p>
  ${isMadeUp(metrics) ? null : comparison(metrics)}
</section>`;
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

/** Draws value and interval on a line from 0 to 1. A negative value is at the left end. */
function whisker(value: number, interval: Interval): Html {
  const at = (x: number) => `${(Math.min(1, Math.max(0, x)) * 100).toFixed(2)}%`;
  return html`<svg class="whisker" aria-hidden="true" width="100%" height="24"><line class="scale" x1="0%" x2="100%" y1="9" y2="9"/><line class="span" x1="${at(interval[0])}" x2="${at(interval[1])}" y1="9" y2="9"/><circle cx="${at(value)}" cy="9" r="5"/></svg>`;
}

function comparison({ regression, majority, folds }: Metrics): Html {
  const other = { interval: null as Interval | null, own: false };
  const rows = [
    ...LEADERBOARD.map(row => ({ ...other, ...row })),
    { name: 'This run', qwk: regression.qwk, interval: regression.qwkInterval, own: true, digits: 3 },
    { ...other, name: `Always stage ${majority.stage ?? 0} (majority guess)`, qwk: majority.qwk, digits: 0 },
  ].sort((a, b) => (b.qwk ?? -1) - (a.qwk ?? -1));
  const kappa = ({ qwk, digits }: (typeof rows)[number]) => fixed(qwk, digits);
  const apart =
    folds.unit === 'record'
      ? 'These eyes leaked into training and are not Kaggle\u2019s test pictures: the bars do not compare.'
      : `These ${whole(folds.test.eyes)} eyes are held out from the training set and are not Kaggle\u2019s test pictures: the order of magnitude compares, the third decimal does not.`;
  return table(
    'Kappa beside 2015',
    rows,
    [
      ['Who', row => row.name],
      [html`<span class="hidden">Bar</span>`, row => bar(row.qwk ?? 0), 'wide'],
      ['Kappa', row => (row.interval ? withInterval(kappa(row), range(row.interval, 2)) : kappa(row)), 'num'],
    ],
    {
      classes: 'bars',
      caption: `Quadratic weighted kappa beside 2015. ${apart}`,
      rowClass: ({ own }) => own && 'own',
    },
  );
}

/** Renders the accuracy of the first split beside that of the 2015 post. */
export function render2015({ metrics, input }: ReportData): Html {
  const { name, accuracy, majorityAccuracy } = metrics.splits[0]!;
  const { unit, leak } = metrics.folds;
  const own = {
    ...{ accuracy, majorityAccuracy },
    how: unit === 'record' ? 'Here, records shuffled as in 2015' : 'Here, folds by patient',
    seen: unit === 'record' ? `${percent(leak.eyes)}, measured on these folds` : 'none: no patient is in two folds',
  };
  const post = {
    ...{ how: 'The post of 2015, GoogLeNet, 30 epochs', accuracy: 0.818, majorityAccuracy: 0.7395 },
    seen: '99.95 to 100\u202f%, by simulating its shuffle on the real labels',
  };
  const other = unit === 'record' ? 'patient' : 'record';
  return section(
    'y2015',
    'And the 81.8\u202f% of 2015?',
    html`<p>The post that this pipeline follows trained <span class="nowrap">${name}</span> alone and reported its accuracy. Its list of all four versions of every picture was shuffled before it was cut into training and test, so that almost every test picture had a rotated or mirrored copy of itself in training. How much of the 81.8\u202f% that explains is not known: the figure is too good by an unknown amount.${isMadeUp(metrics) && html` And it is about photographs; on made-up eyes the rows below do not compare.`}</p>`,
    table(
      'Accuracy of the first split, 2015 and here',
      [post, own],
      [
        [name, row => row.how],
        ['Accuracy', row => percent(row.accuracy), 'num'],
        ['Majority guess', row => percent(row.majorityAccuracy, 2), 'num'],
        ['Test pictures whose eye was trained on', row => row.seen, 'words'],
      ],
      { rowClass: row => row === own && 'own' },
    ),
    html`<p class="small">The same networks on ${other === 'record' ? 'records shuffled as in 2015' : 'folds by patient'}: <code>${commandOf({ ...input, folds: { ...input.folds, unit: other } }) ?? `--set folds.unit=${other}`}</code>. <code>npm start -- compare</code> shows two runs side by side.</p>`,
  );
}

function intervalOf(interval: Interval | null): string {
  return interval === null ? 'no interval' : `95\u202f% interval ${signedRange(interval)}`;
}
