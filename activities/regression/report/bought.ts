/** What each idea bought: the regression refitted with less and with more. */
import type { AblationRow } from '../metrics.ts';
import { type Html, html } from './html.ts';
import { fixed, signed, signedRange } from './numbers.ts';
import type { ReportData } from './report-data.ts';

export function renderBought({ metrics, input }: Pick<ReportData, 'metrics' | 'input'>): Html | null {
  const { ablation, folds } = metrics;
  if (ablation.length === 0 || metrics.regression.qwk === null) return null;
  const plain = ablation.filter(row => !row.spread);
  const columns = [...new Map(plain.map(row => [columnKey(row), row])).values()];
  const counts = [...new Set(plain.map(row => row.splits.length))];
  const spread = ablation.find(row => row.spread);
  const { fellowEye, spread: withSpread } = input.regression;
  const isOwn = (row: AblationRow) =>
    row.splits.length === 4 &&
    row.fellowEye === fellowEye &&
    row.spread === withSpread &&
    row.meanOverVersions === (folds.unit === 'patient');
  const cell = (row: AblationRow | undefined) =>
    row === undefined
      ? html`<td class="num"></td>`
      : html`<td class="num${isOwn(row) ? ' chosen' : ''}"><b>${fixed(row.qwk)}</b><br><span class="small">${isOwn(row) ? 'this run' : html`<span class="nowrap">${signed(row.gain)}</span> ${row.gainInterval && html`<span class="nowrap">(${signedRange(row.gainInterval, 2)})</span>`}`}</span></td>`;
  return html`
<section aria-labelledby="bought">
  <h2 id="bought">What each idea bought</h2>
  <p>Kappa of the regression refitted on the first one, two, three and four splits, and with more than it was given. Below, the difference to this run on the same eyes, with its 95\u202f% interval: where that holds zero, the difference may be chance. Nothing was chosen by this table.</p>
  <div class="scroll" role="region" aria-label="Kappa with less and with more" tabindex="0">
  <table>
    <thead><tr><th scope="col">Splits</th>${columns.map(row => html`<th scope="col" class="num">${columnTitle(row)}</th>`)}</tr></thead>
    <tbody>${counts.map(
      count =>
        html`<tr><th scope="row">${SPLITS_USED[count - 1]}</th>${columns.map(column => cell(plain.find(row => row.splits.length === count && columnKey(row) === columnKey(column))))}</tr>`,
    )}${
      spread &&
      html`<tr><th scope="row">all four, and how far the versions lie apart</th>${columns.map(column => cell(columnKey(column) === columnKey(spread) ? spread : undefined))}</tr>`
    }</tbody>
  </table>
  </div>
</section>`;
}

const SPLITS_USED = ['the first, as in 2015', 'the first two', 'the first three', 'all four'];

const columnKey = ({ fellowEye, meanOverVersions }: AblationRow) => `${meanOverVersions}/${fellowEye}`;

function columnTitle({ fellowEye, meanOverVersions }: AblationRow): Html {
  return html`${meanOverVersions ? 'mean over versions' : 'one version'}${fellowEye && html`<br>and fellow eye`}`;
}
