/** What was chosen where, and what the intervals do not cover. */
import { type Html, html } from './html.ts';
import { count } from './numbers.ts';
import type { ReportData } from './report-data.ts';

export function renderReading({ metrics }: ReportData): Html {
  const { regression, intervals } = metrics;
  const chosen = [
    'the snapshot of each training (highest AUC)',
    ...(regression.ridge.by === 'cross-validation' ? ['the strength of the ridge penalty'] : []),
    'the weights',
    ...(regression.cutsTuned ? ['the four cuts (highest kappa)'] : []),
    'the thresholds of the operating points',
  ];
  return html`
<section aria-labelledby="reading">
  <h2 id="reading">How to read this</h2>
  <ul>
    <li>Chosen on the validation fold: ${chosen.slice(0, -1).join(', ')} and ${chosen.at(-1)}. Measured on the test fold, once: everything else.</li>
    <li>Intervals are 95\u202f%, from ${count(intervals.samples)} bootstrap samples of whole patients of the test fold. They cover which patients happened to be in it. They do not cover another seed of training, another draw of the folds, another camera or another grader.</li>
    <li>A probability is the mean over the versions of a picture (as is, rotated, mirrored).</li>
    <li>Each picture was graded once by one person; where grader and networks disagree, either may be wrong.</li>
    <li>A stage, a share or an area that the test fold has too few kinds of eyes for is given as n/a, never guessed.</li>
  </ul>
</section>`;
}
