/** What was held out, and what was left out. */
import { FOLDS } from '../../labels/types.ts';
import { STAGE_NAMES } from '../split-names.ts';
import { type Html, html } from './html.ts';
import { count, percent } from './numbers.ts';
import type { ReportData } from './report-data.ts';

const USES = { train: 'the networks', validation: 'snapshot, regression, cuts', test: 'every figure of this page' };

export function renderFolds({ metrics }: ReportData): Html {
  const { folds, images } = metrics;
  return html`
<section aria-labelledby="folds">
  <h2 id="folds">Folds and pictures</h2>
  <div class="scroll" role="region" aria-label="Folds" tabindex="0">
  <table>
    <thead><tr><th scope="col">Fold</th><th scope="col">Used for</th><th scope="col" class="num">Patients</th><th scope="col" class="num">Eyes</th>${STAGE_NAMES.map((name, i) => html`<th scope="col" class="num">${i}<br><span class="small">${name}</span></th>`)}</tr></thead>
    <tbody>${FOLDS.map(
      fold =>
        html`<tr><th scope="row">${fold}</th><td>${USES[fold]}</td><td class="num">${count(folds[fold].patients)}</td><td class="num">${count(folds[fold].eyes)}</td>${folds[fold].stages.map(n => html`<td class="num">${count(n)}</td>`)}</tr>`,
    )}</tbody>
  </table>
  </div>
  <p>${folds.unit === 'patient' ? 'Dealt by patient: both eyes and all versions of a patient are in one fold.' : `Dealt by record, as in 2015: ${percent(folds.leak.patients)} of the test records share their patient with training.`}
  ${count(images.seen)} pictures were seen, ${count(images.quarantined)} of them ${images.quarantined === 1 ? 'was' : 'were'} set aside in quarantine.</p>
</section>`;
}
