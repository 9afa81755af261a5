/** Grades that all four networks contradict, and pictures that are in two folds under two names. */
import type { NearDuplicate } from '../near-duplicates.ts';
import type { SuspectLabel } from '../suspect-labels.ts';
import { type Html, html } from './html.ts';
import { count, fixed, percent, some } from './numbers.ts';
import type { ReportData } from './report-data.ts';
import { nameOf } from './wrong.ts';

/** Lines that the page lists; the files beside it have all. */
const LISTED = 10;

export function renderSecondLook(data: Pick<ReportData, 'metrics' | 'suspects' | 'nearDuplicates'>): Html {
  const { suspectLabels, nearDuplicates } = data.metrics;
  return html`
<section aria-labelledby="second">
  <h2 id="second">Worth a second look</h2>
  <h3>Suspect labels</h3>
  <p>${some(suspectLabels.eyes, 'grade')} of ${count(suspectLabels.of)} held-out ${data.metrics.folds.unit === 'record' ? 'records' : 'eyes'} ${suspectLabels.eyes === 1 ? 'is' : 'are'} contradicted by all four networks, each of which counts the eye among the most extreme tenth of its grade. Either side may be wrong.</p>
  ${data.suspects.length > 0 && suspectTable(data.suspects)}
  <h3>Leak radar</h3>
  ${
    nearDuplicates === null
      ? html`<p>Not measured: these pictures were prepared without perceptual hashes.</p>`
      : html`<p>${
          nearDuplicates.pairs === 0
            ? 'No picture is'
            : `${some(nearDuplicates.pairs, 'pair')} of pictures, ${count(nearDuplicates.trainTest)} of them between training and test, ${nearDuplicates.pairs === 1 ? 'is' : 'are'}`
        } nearly the same under different patients in different folds, which folds by patient do not stop. Compared: ${some(nearDuplicates.pictures, 'picture')} by perceptual hashes that may differ in ${nearDuplicates.distance} of ${nearDuplicates.bits} bits.</p>`
  }
  ${data.nearDuplicates.length > 0 && duplicateTable(data.nearDuplicates)}
</section>`;
}

function suspectTable(suspects: readonly SuspectLabel[]): Html {
  return html`
  <div class="scroll" role="region" aria-label="Suspect labels" tabindex="0">
  <table>
    <caption>${listed(suspects.length, 'suspect-labels.csv', 'the furthest from its grade first')}</caption>
    <thead><tr><th scope="col">Eye</th><th scope="col" class="num">Graded</th><th scope="col">Networks see</th><th scope="col" class="num">Predicted</th><th scope="col" class="num">Score</th>${[0, 1, 2, 3].map(k => html`<th scope="col" class="num nowrap">P(y\u2009>\u2009${k})</th>`)}</tr></thead>
    <tbody>${suspects
      .slice(0, LISTED)
      .map(
        eye =>
          html`<tr><th scope="row">${nameOf(eye)}</th><td class="num">${eye.level}</td><td>${eye.seen} disease</td><td class="num">${eye.predicted}</td><td class="num">${fixed(eye.expected, 2)}</td>${eye.p.map(p => html`<td class="num">${percent(p, 0)}</td>`)}</tr>`,
      )}</tbody>
  </table>
  </div>`;
}

function duplicateTable(pairs: readonly NearDuplicate[]): Html {
  const side = ({ image, level, folds }: NearDuplicate['a']) =>
    html`${image} <span class="small">stage ${level}, ${folds.join(' + ')}</span>`;
  return html`
  <div class="scroll" role="region" aria-label="Near-identical pictures" tabindex="0">
  <table>
    <caption>${listed(pairs.length, 'near-duplicates.csv', 'the closest first')}</caption>
    <thead><tr><th scope="col">Picture</th><th scope="col">Nearly the same as</th><th scope="col" class="num">Bits that differ</th></tr></thead>
    <tbody>${pairs.slice(0, LISTED).map(({ a, b, distance }) => html`<tr><th scope="row">${side(a)}</th><td>${side(b)}</td><td class="num">${distance}</td></tr>`)}</tbody>
  </table>
  </div>`;
}

function listed(all: number, file: string, order: string): Html {
  const shown = all > LISTED ? `The first ${LISTED} of ${count(all)}` : 'All of them';
  return html`${shown}, ${order}; as a file: <code>${file}</code>.`;
}
