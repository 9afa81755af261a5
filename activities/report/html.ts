/** Builds markup by tagged templates that escape their values, and the common parts of all sections. */
import { percent } from '../../lib/format.ts';

/** Markup that is inserted without escaping. It must come from the project itself. */
export class Html {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

export type Content = Html | string | number | null | undefined | false | readonly Content[];

/** Builds markup from a template. Strings are escaped, lists joined; null, undefined and false are left out. */
export function html(parts: TemplateStringsArray, ...values: Content[]): Html {
  return new Html(parts.reduce((text, part, i) => text + render(values[i - 1]) + part));
}

const ESCAPES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

function render(value: Content): string {
  if (value === null || value === undefined || value === false) return '';
  if (value instanceof Html) return value.text;
  if (Array.isArray(value)) return value.map(render).join('');
  return String(value).replace(/[&<>"']/g, character => ESCAPES[character]!);
}

/** Renders a section of the page. */
export function section(id: string, title: Content, ...content: Content[]): Html {
  return html`
<section aria-labelledby="${id}">
  <h2 id="${id}">${title}</h2>
  ${content}
</section>`;
}

/** Column of a table: head, cell of a row, and CSS classes of both. The first column names the rows. */
export type Column<Row> = [head: Content, cell: (row: Row, index: number) => Content, classes?: string];

interface TableOptions<Row> {
  caption?: Content;
  /** CSS classes of the table. */
  classes?: string;
  rowClass?: (row: Row) => string | false;
  /** Returns additional rows below a row. */
  below?: (row: Row) => Content;
}

/** Renders a table in a box that scrolls where it is too wide. @param label of the box, for a screen reader */
export function table<Row>(
  label: string,
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  { caption, classes, rowClass, below }: TableOptions<Row> = {},
): Html {
  const styled = (names: string | false | undefined) => names && html` class="${names}"`;
  const cells = (row: Row, index: number) =>
    columns.map(([, cell, names], column) => {
      const content = cell(row, index);
      if (column === 0) return html`<th scope="row"${styled(names)}>${content}</th>`;
      return html`<td${styled(names)}>${content}</td>`;
    });
  return html`
  <div class="scroll" role="region" aria-label="${label}" tabindex="0">
  <table${styled(classes)}>
    ${caption && html`<caption>${caption}</caption>`}
    <thead><tr>${columns.map(([head, , names]) => html`<th scope="col"${styled(names)}>${head}</th>`)}</tr></thead>
    <tbody>${rows.map((row, index) => html`<tr${styled(rowClass?.(row))}>${cells(row, index)}</tr>${below?.(row)}`)}</tbody>
  </table>
  </div>`;
}

export const small = (content: Content): Html => html`<span class="small">${content}</span>`;
const nowrap = (content: Content): Html => html`<span class="small nowrap">${content}</span>`;

/** Renders a cell of two lines, the second one small. */
export const stacked = (above: Content, below: Content): Html => html`${above}<br>${small(below)}`;

/** Renders a figure above its interval. */
export const withInterval = (figure: Content, interval: Content): Html => html`${figure}<br>${nowrap(interval)}`;

/** Renders a bar. @param share of the available width, from 0 to 1 */
export const bar = (share: number, faint = false): Html =>
  html`<span class="bar${faint && ' faint'}" style="--share:${Math.max(0, share).toFixed(4)}"></span>`;

/** Columns of the four probabilities of an eye. */
export const probabilityColumns = [0, 1, 2, 3].map(
  (k): Column<{ p: readonly number[] }> => [`P(y\u2009>\u2009${k})`, ({ p }) => percent(p[k], 0), 'num nowrap'],
);
