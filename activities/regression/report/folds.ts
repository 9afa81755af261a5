/** What was held out, and what was left out. */
import { FOLDS } from '../../labels/types.ts';
import { STAGE_NAMES } from '../split-names.ts';
import { type Html, html } from './html.ts';
import { count, percent } from './numbers.ts';
import type { ReportData } from './report-data.ts';

/** Lines of the quarantine on the page. */
const LISTED = 8;

const USES = { train: 'the networks', validation: 'snapshot, regression, cuts', test: 'every figure of this page' };

export function renderFolds({ metrics, quarantine }: Pick<ReportData, 'metrics' | 'quarantine'>): Html {
  const { folds, images } = metrics;
  return html`
<section aria-labelledby="folds">
  <h2 id="folds">Folds and pictures</h2>
  <div class="scroll" role="region" aria-label="Folds" tabindex="0">
  <table>
    <thead><tr><th scope="col">Fold</th><th scope="col" class="words">Used for</th><th scope="col" class="num">Patients</th><th scope="col" class="num">Eyes</th>${STAGE_NAMES.map((name, i) => html`<th scope="col" class="num">${i}<br><span class="small">${name}</span></th>`)}</tr></thead>
    <tbody>${FOLDS.map(
      fold =>
        html`<tr><th scope="row">${fold}</th><td>${USES[fold]}</td><td class="num">${count(folds[fold].patients)}</td><td class="num">${count(folds[fold].eyes)}</td>${folds[fold].stages.map(n => html`<td class="num">${count(n)}</td>`)}</tr>`,
    )}</tbody>
  </table>
  </div>
  <p>${folds.unit === 'patient' ? 'Dealt by patient: both eyes and all versions of a patient are in one fold.' : `Dealt by record, as in 2015: ${percent(folds.leak.patients)} of the test records share their patient with training, ${percent(folds.leak.eyes)} have another version of the same eye there.`}
  ${count(images.seen)} pictures were seen, ${count(images.quarantined)} of them ${images.quarantined === 1 ? 'was' : 'were'} set aside in quarantine.</p>
  ${quarantine.length > 0 && quarantineTable(quarantine)}
</section>`;
}

function quarantineTable(entries: ReportData['quarantine']): Html {
  const shown = entries.length > LISTED ? `The first ${LISTED} of ${count(entries.length)} entries` : 'Entries';
  return html`
  <div class="scroll" role="region" aria-label="Quarantine" tabindex="0">
  <table>
    <caption>${shown} set aside; all lie in <code>quarantine.jsonl</code> beside the shards.</caption>
    <thead><tr><th scope="col">Entry of the archive</th><th scope="col" class="words">Why</th></tr></thead>
    <tbody>${entries.slice(0, LISTED).map(({ entry, reason }) => html`<tr><th scope="row"><code>${JSON.stringify(entry).slice(1, -1)}</code></th><td>${reason}</td></tr>`)}</tbody>
  </table>
  </div>`;
}
