/** The test eyes that the regression got most wrong: what a person would look at first. */
import { SIDE, type WorstEye } from '../worst-eyes.ts';
import { type Html, html } from './html.ts';
import { fixed, percent } from './numbers.ts';
import type { ReportData } from './report-data.ts';

export function renderWrong({ worst }: Pick<ReportData, 'worst'>): Html | null {
  if (worst.length === 0) return null;
  const shown = worst.some(eye => eye.jpeg !== null);
  return html`
<section aria-labelledby="wrong">
  <h2 id="wrong">The eyes it got most wrong</h2>
  <p>Test eyes whose score is furthest from their grade. ${shown ? 'Below each, what was graded and predicted, the score, and the four probabilities P(y\u2009>\u20090) to P(y\u2009>\u20093).' : 'Without their pictures.'}</p>
  ${shown ? html`<ol class="eyes">${worst.map(card)}</ol>` : table(worst)}
</section>`;
}

function card(eye: WorstEye): Html {
  const { level, predicted, expected, p, jpeg } = eye;
  const name = nameOf(eye);
  return html`
    <li class="eye"><figure>${
      jpeg === null
        ? html`<span class="gap">no picture</span>`
        : html`<img width="${SIDE}" height="${SIDE}" alt="Eye ${name}, graded stage ${level}" src="data:image/jpeg;base64,${jpeg.toString('base64')}">`
    }<figcaption class="eye-caption"><b class="nowrap">${name}</b><br>graded <b>${level}</b>, predicted <b>${predicted}</b><br><span class="small">score ${fixed(expected, 2)}<br>${p.map(value => fixed(value * 100, 0)).join(' · ')}\u202f%</span></figcaption></figure></li>`;
}

function table(eyes: readonly WorstEye[]): Html {
  return html`
  <div class="scroll" role="region" aria-label="Eyes that were most wrong" tabindex="0">
  <table>
    <thead><tr><th scope="col">Eye</th><th scope="col" class="num">Graded</th><th scope="col" class="num">Predicted</th><th scope="col" class="num">Score</th>${[0, 1, 2, 3].map(k => html`<th scope="col" class="num nowrap">P(y\u2009>\u2009${k})</th>`)}</tr></thead>
    <tbody>${eyes.map(
      eye =>
        html`<tr><th scope="row">${nameOf(eye)}</th><td class="num">${eye.level}</td><td class="num">${eye.predicted}</td><td class="num">${fixed(eye.expected, 2)}</td>${eye.p.map(p => html`<td class="num">${percent(p, 0)}</td>`)}</tr>`,
    )}</tbody>
  </table>
  </div>`;
}

/** `10_left`, or with a version of its own `10_left.fa`. */
export function nameOf({ image, version }: { image: string; version: string | null }): string {
  return version === null ? image : `${image}.${version}`;
}
