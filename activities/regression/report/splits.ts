/** The four predictions, each against its own question. */
import { reliabilityCurve } from '../brier.ts';
import { positives } from '../judge.ts';
import type { SplitMetrics } from '../metrics.ts';
import type { OperatingPoint } from '../operating-points.ts';
import { rocCurve } from '../roc.ts';
import { drawChart, type Series } from './chart.ts';
import { type Html, html } from './html.ts';
import { count, fixed, percent, range } from './numbers.ts';
import type { ReportData } from './report-data.ts';

/** With fewer eyes of a kind, a share of them is too coarse to judge by. */
export const ENOUGH = 30;

const FEW = html` <span class="flag">too few to say</span>`;

/** Both charts of a split: from 0 to 1 either way, with the line of chance or of perfect calibration. */
const SQUARE = { width: 300, height: 290 };
const DIAGONAL: Series = {
  points: [
    [0, 0],
    [1, 1],
  ],
  color: 'var(--rule-strong)',
  dashed: true,
  width: 1,
};

const QUESTIONS = ['Any retinopathy?', 'Moderate or worse (referable)?', 'Severe or worse?', 'Proliferative?'];

export function renderSplits(data: ReportData): Html {
  const { splits } = data.metrics;
  const few = splits.filter(tooFew);
  return html`
<section aria-labelledby="splits">
  <h2 id="splits">Four splits, four questions</h2>
  <p>Each split of the stages is a question with a prediction of its own. Where one answer is rare, accuracy says little: always giving the frequent answer is right more often than many a useful prediction. The area under the curve (AUC) and the sensitivity at a fixed specificity do not have that fault.</p>
  <div class="scroll" role="region" aria-label="Table of the four splits" tabindex="0">
  <table>
    <thead><tr><th scope="col">Split</th><th scope="col" class="num">AUC <span class="small">95\u202f%</span></th><th scope="col" class="num">Accuracy</th><th scope="col" class="num">Majority guess</th><th scope="col" class="num">Sensitivity</th><th scope="col" class="num">Specificity</th><th scope="col" class="num">Average precision</th><th scope="col" class="num">Brier</th><th scope="col" class="num">Positives</th></tr></thead>
    <tbody>${splits.map(row)}</tbody>
  </table>
  </div>
  <p class="small">Accuracy, sensitivity and specificity at a probability of 0.5.${few.length > 0 && html` ${FEW}: fewer than ${ENOUGH} eyes on one side of the split.`}</p>
  <div class="grid">${splits.map(split => rocFigure(split, data))}</div>
  <p class="small">Rings: thresholds chosen on the validation fold for a specificity of 80, 90 and 95\u202f%, applied to the test fold; so they need not stand where they were meant to.</p>
  <h3>Does a probability mean what it says?</h3>
  <div class="grid">${splits.map(split => reliabilityFigure(split, data))}</div>
  <p class="small">Test eyes in ten steps of predicted probability. On the diagonal, 30\u202f% means that 30 of 100 have it.</p>
  ${operatingTable(splits)}
</section>`;
}

/** Whether a figure of the split says little about eyes that were not in the test fold. */
export function tooFew(split: SplitMetrics): boolean {
  return Math.min(split.positives, split.negatives) < ENOUGH;
}

function row(split: SplitMetrics): Html {
  return html`<tr><th scope="row"><span class="nowrap">${split.name}</span><br><span class="small">${QUESTIONS[split.k]!}</span></th>
      <td class="num"><b>${fixed(split.auc)}</b><br><span class="small nowrap">${range(split.aucInterval, 2)}</span></td>
      <td class="num">${percent(split.accuracy)}</td><td class="num">${percent(split.majorityAccuracy)}</td>
      <td class="num">${percent(split.sensitivity)}</td><td class="num">${percent(split.specificity)}</td>
      <td class="num">${fixed(split.averagePrecision)}</td><td class="num">${fixed(split.brier)}</td>
      <td class="num nowrap">${count(split.positives)}<span class="small">\u2009/\u2009${count(split.positives + split.negatives)}</span>${tooFew(split) && html`<br>${FEW}`}</td></tr>`;
}

function testFold(split: SplitMetrics, data: ReportData) {
  const test = data.predictions.filter(eye => eye.fold === 'test');
  return { positive: positives(test, split.k), scores: test.map(eye => eye.p[split.k]!) };
}

function rocFigure(split: SplitMetrics, data: ReportData): Html {
  const { positive, scores } = testFold(split, data);
  const points = rocCurve(positive, scores).map((corner): [number, number] => [
    corner.falsePositiveRate,
    corner.truePositiveRate,
  ]);
  if (points.length === 0) return absent(split, 'No curve: the test fold has eyes on one side of the split only.');
  const rings = split.operatingPoints.flatMap((point): [number, number][] =>
    point.fixed === 'specificity' && point.sensitivity !== null && point.specificity !== null
      ? [[1 - point.specificity, point.sensitivity]]
      : [],
  );
  return html`<figure><figcaption><b class="nowrap">${split.name}</b> AUC ${fixed(split.auc)}${tooFew(split) && FEW}</figcaption>${drawChart(
    {
      label: `ROC curve of split ${split.name}: area ${fixed(split.auc)}`,
      ...SQUARE,
      x: { name: '1 \u2212 specificity', min: 0, max: 1, interval: 0.25 },
      y: { name: 'Sensitivity', min: 0, max: 1, interval: 0.25 },
      series: [
        DIAGONAL,
        { points, color: 'var(--accent)', filled: true },
        { points: rings, color: 'var(--second)', markers: true },
      ],
    },
  )}</figure>`;
}

function reliabilityFigure(split: SplitMetrics, data: ReportData): Html {
  const { positive, scores } = testFold(split, data);
  if (scores.length === 0) return absent(split, 'No curve: the test fold is empty.');
  const bins = reliabilityCurve(positive, scores);
  const points = bins.map((bin): [number, number] => [bin.predicted, bin.observed]);
  return html`<figure><figcaption><b class="nowrap">${split.name}</b> Brier ${fixed(split.brier)}${tooFew(split) && FEW}</figcaption>${drawChart(
    {
      label: `Reliability of split ${split.name}: Brier score ${fixed(split.brier)}`,
      description: `${bins.map(bin => `predicted ${percent(bin.predicted, 0)}, observed ${percent(bin.observed, 0)} of ${bin.eyes}`).join('; ')}`,
      ...SQUARE,
      x: { name: 'Predicted probability', min: 0, max: 1, interval: 0.25 },
      y: { name: 'Share that has it', min: 0, max: 1, interval: 0.25 },
      series: [DIAGONAL, { points, color: 'var(--accent)' }, { points, color: 'var(--accent)', markers: true }],
    },
  )}</figure>`;
}

function absent(split: SplitMetrics, reason: string): Html {
  return html`<figure><figcaption><b class="nowrap">${split.name}</b></figcaption><p class="small">${reason}</p></figure>`;
}

/** A row for each wish, a column for each split: what the threshold that grants it on the validation fold gives on the test fold. */
function operatingTable(splits: readonly SplitMetrics[]): Html {
  const wishes = splits[0]?.operatingPoints ?? [];
  const cell = ({ fixed: kept, threshold, sensitivity, specificity }: OperatingPoint) => {
    const [got, keptAt] = kept === 'specificity' ? [sensitivity, specificity] : [specificity, sensitivity];
    return html`<td class="num"><b>${percent(got)}</b><br><span class="small nowrap">${percent(keptAt)} from ${fixed(threshold, 2)}</span></td>`;
  };
  return html`
  <h3>Operating points</h3>
  <div class="scroll" role="region" aria-label="Operating points" tabindex="0">
  <table>
    <caption>Thresholds chosen on the validation fold for a wanted specificity or sensitivity, applied to the test fold. Bold: the other of the two. Below: what became of the wanted one, and the threshold.</caption>
    <thead><tr><th scope="col">Wanted</th><th scope="col">Gives</th>${splits.map(split => html`<th scope="col" class="num nowrap">${split.name}</th>`)}</tr></thead>
    <tbody>${wishes.map(
      ({ fixed: kept, target }, i) =>
        html`<tr><th scope="row" class="nowrap">${kept} ${percent(target, 0)}</th><td>${kept === 'specificity' ? 'sensitivity' : 'specificity'}</td>${splits.map(split => cell(split.operatingPoints[i]!))}</tr>`,
    )}</tbody>
  </table>
  </div>`;
}
