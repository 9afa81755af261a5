/** Renders the ablation: the regression refitted with fewer and with more features. */
import { fixed, signed, signedRange } from '../../lib/format.ts';
import type { AblationRow } from '../regression/metrics.ts';
import { type Column, type Html, html, section, small, table } from './html.ts';
import type { ReportData } from './report-data.ts';

interface Row {
  title: string;
  cells: AblationRow[];
}

export function renderAblation({ metrics, input }: ReportData): Html | null {
  const { ablation, folds } = metrics;
  if (ablation.length === 0 || metrics.regression.qwk === null) return null;
  const plain = ablation.filter(row => !row.spread);
  const spread = ablation.filter(row => row.spread).slice(0, 1);
  const rows: Row[] = [
    ...SPLITS_USED.map((title, i) => ({ title, cells: plain.filter(row => row.splits.length === i + 1) })),
    { title: 'all four, and how far the versions lie apart', cells: spread },
  ].filter(({ cells }) => cells.length > 0);
  const isOwn = ({ splits, fellowEye, spread, meanOverVersions }: AblationRow) =>
    splits.length === 4 &&
    fellowEye === input.regression.fellowEye &&
    spread === input.regression.spread &&
    meanOverVersions === (folds.unit === 'patient');
  const figures = (row: AblationRow) => {
    const gain = html`<span class="nowrap">${signed(row.gain)}</span> ${row.gainInterval && html`<span class="nowrap">(${signedRange(row.gainInterval, 2)})</span>`}`;
    return html`<b>${fixed(row.qwk)}</b><br>${isOwn(row) ? html`<mark>this run</mark>` : small(gain)}`;
  };
  return section(
    'bought',
    'What each idea bought',
    html`<p>Kappa of the regression refitted on the first one, two, three and four splits, and with more than it was given. Below, the difference to this run on the same eyes, with its 95\u202f% interval: where that holds zero, the difference may be chance. Nothing was chosen by this table.</p>`,
    table('Kappa with less and with more', rows, [
      ['Splits', row => row.title],
      ...[...new Map(plain.map(row => [keyOf(row), row])).values()].map(
        (column): Column<Row> => [
          columnTitle(column),
          ({ cells }) => cells.filter(cell => keyOf(cell) === keyOf(column)).map(figures),
          'num',
        ],
      ),
    ]),
  );
}

const SPLITS_USED = ['the first, as in 2015', 'the first two', 'the first three', 'all four'];

const keyOf = ({ fellowEye, meanOverVersions }: AblationRow) => `${meanOverVersions}/${fellowEye}`;

function columnTitle({ fellowEye, meanOverVersions }: AblationRow): Html {
  return html`${meanOverVersions ? 'mean over versions' : 'one version'}${fellowEye && html`<br>and fellow eye`}`;
}
