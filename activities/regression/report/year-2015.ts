/** The row that readers of the 2015 post come for. */
import type { OtherFolds } from '../other-folds.ts';
import { commandOf } from './command.ts';
import { type Html, html } from './html.ts';
import { percent } from './numbers.ts';
import type { ReportData } from './report-data.ts';
import { isMadeUp } from './verdict.ts';

export function render2015({ metrics, input, otherFolds }: Pick<ReportData, 'metrics' | 'input' | 'otherFolds'>): Html {
  const split = metrics.splits[0]!;
  const { unit, leak } = metrics.folds;
  const { accuracy, majorityAccuracy } = split;
  const own: OtherFolds = { run: metrics.run, unit, leak, accuracy, majorityAccuracy };
  const other = unit === 'record' ? 'patient' : 'record';
  const rows = [
    ...(unit === 'record' ? [row(own, true), otherFolds && row(otherFolds, false)] : []),
    ...(unit === 'patient' ? [otherFolds && row(otherFolds, false), row(own, true)] : []),
  ];
  return html`
<section aria-labelledby="y2015">
  <h2 id="y2015">And the 81.8\u202f% of 2015?</h2>
  <p>The post that this pipeline follows trained <span class="nowrap">${split.name}</span> alone and reported its accuracy. Its list of all four versions of every picture was shuffled before it was cut into training and test, so that almost every test picture had a rotated or mirrored copy of itself in training. How much of the 81.8\u202f% that explains is not known: the figure is too good by an unknown amount.${isMadeUp(metrics) && html` And it is about photographs; on made-up eyes the rows below do not compare.`}</p>
  <div class="scroll" role="region" aria-label="Accuracy of the first split, 2015 and here" tabindex="0">
  <table>
    <thead><tr><th scope="col">${split.name}</th><th scope="col" class="num">Accuracy</th><th scope="col" class="num">Majority guess</th><th scope="col" class="words">Test pictures whose eye was trained on</th></tr></thead>
    <tbody>
      <tr><th scope="row">The post of 2015, GoogLeNet, 30 epochs</th><td class="num">${percent(0.818)}</td><td class="num">${percent(0.7395, 2)}</td><td>99.95 to 100\u202f%, by simulating its shuffle on the real labels</td></tr>
      ${rows}
    </tbody>
  </table>
  </div>
  ${otherFolds === null && html`<p class="small">The same networks on ${other === 'record' ? 'records shuffled as in 2015' : 'folds by patient'} stand here beside them once the store holds such a run: <code>${commandOf({ ...input, folds: { ...input.folds, unit: other } }) ?? `--set folds.unit=${other}`}</code></p>`}
</section>`;
}

function row({ run, unit, accuracy, majorityAccuracy, leak }: OtherFolds, own: boolean): Html {
  const name = unit === 'record' ? 'Here, records shuffled as in 2015' : 'Here, folds by patient';
  const seen =
    unit === 'record' ? `${percent(leak.eyes)}, measured on these folds` : 'none: no patient is in two folds';
  return html`<tr${own && html` class="own"`}><th scope="row">${name}${!own && html`<br><span class="small">run ${run}</span>`}</th><td class="num">${percent(accuracy)}</td><td class="num">${percent(majorityAccuracy, 2)}</td><td>${seen}</td></tr>`;
}
