/** Renders the metrics, ROC curves, calibration and operating points of the four splits. */
import { fixed, percent, range, whole } from '../../lib/format.ts';
import { rocCurve } from '../../lib/roc.ts';
import { reliabilityCurve } from '../regression/brier.ts';
import { positives } from '../regression/evaluate.ts';
import type { SplitMetrics } from '../regression/metrics.ts';
import type { OperatingPoint } from '../regression/operating-points.ts';
import { type Chart, figure, line, rings } from './chart.ts';
import { type Column, type Html, html, section, small, stacked, table, withInterval } from './html.ts';
import type { ReportData } from './report-data.ts';

/** Minimum number of eyes of a class. With fewer, a share of them is too coarse to be useful. */
export const ENOUGH = 30;

const FEW = html` <span class="flag">too few to say</span>`;

/** Size of both charts of a split. Their axes run from 0 to 1, with a diagonal for chance or for perfect calibration. */
const SQUARE = { width: 300, height: 290 };
const SHARE = { min: 0, max: 1, interval: 0.25 };
const CORNERS: [number, number][] = [
  [0, 0],
  [1, 1],
];
const DIAGONAL = line(CORNERS, 'var(--rule-strong)', { dashed: true, width: 1 });

const QUESTIONS = ['Any retinopathy?', 'Moderate or worse (referable)?', 'Severe or worse?', 'Proliferative?'];

export function renderSplits(data: ReportData): Html {
  const { splits } = data.metrics;
  const test = data.predictions.filter(eye => eye.fold === 'test');
  const judged = splits.map(split => ({
    split,
    positive: positives(test, split.k),
    scores: test.map(eye => eye.p[split.k]!),
  }));
  return section(
    'splits',
    'Four splits, four questions',
    html`<p>Each split of the stages is a question with a prediction of its own. Where one answer is rare, accuracy says little: always giving the frequent answer is right more often than many a useful prediction. The area under the curve (AUC) and the sensitivity at a fixed specificity do not have that fault.</p>`,
    table('Table of the four splits', splits, [
      ['Split', ({ name, k }) => stacked(html`<span class="nowrap">${name}</span>`, QUESTIONS[k])],
      [
        html`AUC ${small('95\u202f%')}`,
        split => withInterval(html`<b>${fixed(split.auc)}</b>`, range(split.aucInterval, 2)),
        'num',
      ],
      ['Accuracy', split => percent(split.accuracy), 'num'],
      ['Majority guess', split => percent(split.majorityAccuracy), 'num'],
      ['Sensitivity', split => percent(split.sensitivity), 'num'],
      ['Specificity', split => percent(split.specificity), 'num'],
      ['Average precision', split => fixed(split.averagePrecision), 'num'],
      ['Brier', split => fixed(split.brier), 'num'],
      [
        'Positives',
        split =>
          html`<span class="nowrap">${whole(split.positives)}${small(`\u2009/\u2009${whole(split.positives + split.negatives)}`)}</span>${tooFew(split) && html`<br>${FEW}`}`,
        'num',
      ],
    ]),
    html`<p class="small">Accuracy, sensitivity and specificity at a probability of 0.5.${splits.some(tooFew) && html` ${FEW}: fewer than ${ENOUGH} eyes on one side of the split.`}</p>
  <div class="grid">${judged.map(rocFigure)}</div>
  <p class="small">Rings: thresholds chosen on the validation fold for a specificity of 80, 90 and 95\u202f%, applied to the test fold; so they need not stand where they were meant to.</p>
  <h3>Does a probability mean what it says?</h3>
  <div class="grid">${judged.map(reliabilityFigure)}</div>
  <p class="small">Test eyes in ten steps of predicted probability. On the diagonal, 30\u202f% means that 30 of 100 have it.</p>`,
    operatingTable(splits),
  );
}

/** Returns whether the test fold has too few eyes for the figures of the split to generalize. */
export function tooFew(split: SplitMetrics): boolean {
  return Math.min(split.positives, split.negatives) < ENOUGH;
}

/** Split with the labels of the test eyes, and the scores of its network. */
interface Judged {
  split: SplitMetrics;
  positive: Uint8Array;
  scores: number[];
}

function rocFigure({ split, positive, scores }: Judged): Html {
  const corners = rocCurve(positive, scores);
  const points = corners.map((at): [number, number] => [at.falsePositiveRate, at.truePositiveRate]);
  const wished = split.operatingPoints.flatMap((point): [number, number][] =>
    point.fixed === 'specificity' && point.sensitivity !== null && point.specificity !== null
      ? [[1 - point.specificity, point.sensitivity]]
      : [],
  );
  return splitFigure(
    split,
    `AUC ${fixed(split.auc)}`,
    'No curve: the test fold has eyes on one side of the split only.',
    {
      label: `ROC curve of split ${split.name}: area ${fixed(split.auc)}`,
      x: { name: '1 \u2212 specificity', ...SHARE },
      y: { name: 'Sensitivity', ...SHARE },
      series: [line(points, 'var(--accent)', { filled: true }), rings(wished, 'var(--second)')],
    },
  );
}

function reliabilityFigure({ split, positive, scores }: Judged): Html {
  const bins = reliabilityCurve(positive, scores);
  const points = bins.map((bin): [number, number] => [bin.predicted, bin.observed]);
  return splitFigure(split, `Brier ${fixed(split.brier)}`, 'No curve: the test fold is empty.', {
    label: `Reliability of split ${split.name}: Brier score ${fixed(split.brier)}`,
    description: bins
      .map(bin => `predicted ${percent(bin.predicted, 0)}, observed ${percent(bin.observed, 0)} of ${bin.eyes}`)
      .join('; '),
    x: { name: 'Predicted probability', ...SHARE },
    y: { name: 'Share that has it', ...SHARE },
    series: [line(points, 'var(--accent)'), rings(points, 'var(--accent)')],
  });
}

/** Draws a chart of a split. @param absent text shown instead where there is no curve */
function splitFigure(
  split: SplitMetrics,
  title: string,
  absent: string,
  { series, ...chart }: Omit<Chart, 'width' | 'height'>,
): Html {
  const name = html`<b class="nowrap">${split.name}</b>`;
  if (series[0]!.data.length === 0) {
    return html`<figure><figcaption>${name}</figcaption><p class="small">${absent}</p></figure>`;
  }
  return figure(html`${name} ${title}${tooFew(split) && FEW}`, { ...SQUARE, ...chart, series: [DIAGONAL, ...series] });
}

/** Renders a row for each target and a column for each split: rates on the test fold at the threshold from the validation fold. */
function operatingTable(splits: readonly SplitMetrics[]): Html {
  const cell = ({ fixed: kept, threshold, sensitivity, specificity }: OperatingPoint) => {
    const [got, keptAt] = kept === 'specificity' ? [sensitivity, specificity] : [specificity, sensitivity];
    return withInterval(html`<b>${percent(got)}</b>`, html`${percent(keptAt)} from ${fixed(threshold, 2)}`);
  };
  return html`
  <h3>Operating points</h3>${table(
    'Operating points',
    splits[0]?.operatingPoints ?? [],
    [
      ['Wanted', wish => `${wish.fixed} ${percent(wish.target, 0)}`, 'nowrap'],
      ['Gives', wish => (wish.fixed === 'specificity' ? 'sensitivity' : 'specificity')],
      ...splits.map(
        ({ name, operatingPoints }): Column<OperatingPoint> => [
          html`<span class="nowrap">${name}</span>`,
          (_, i) => cell(operatingPoints[i]!),
          'num',
        ],
      ),
    ],
    {
      caption:
        'Thresholds chosen on the validation fold for a wanted specificity or sensitivity, applied to the test fold. Bold: the other of the two. Below: what became of the wanted one, and the threshold.',
    },
  )}`;
}
