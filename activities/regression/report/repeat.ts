/** The exact input and versions, to do it again. */
import { type Html, html } from './html.ts';
import type { ReportData } from './report-data.ts';

export function renderRepeat({ input, metrics }: ReportData): Html {
  const versions = Object.entries(metrics.versions);
  return html`
<section aria-labelledby="repeat">
  <h2 id="repeat">To do it again</h2>
  <p>Save this as <code>input.json</code> and run <code>npm start -- --input-file input.json</code>. On a CPU the same versions give the same numbers.</p>
  <details>
    <summary>Input, every field</summary>
    <pre tabindex="0">${JSON.stringify(input, null, 2)}</pre>
  </details>
  ${
    versions.length > 0 &&
    html`<table><caption>Versions</caption><tbody>${versions.map(([name, version]) => html`<tr><th scope="row">${name}</th><td>${version}</td></tr>`)}</tbody></table>`
  }
</section>`;
}
