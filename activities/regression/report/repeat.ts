/** The exact input and versions, to do it again. */
import { withoutForkedRuns } from '../../../config/forks.ts';
import { commandOf } from './command.ts';
import { type Html, html } from './html.ts';
import type { ReportData } from './report-data.ts';

export function renderRepeat({ input, metrics }: Pick<ReportData, 'input' | 'metrics'>): Html {
  const versions = Object.entries(metrics.versions);
  const command = commandOf(input);
  return html`
<section aria-labelledby="repeat">
  <h2 id="repeat">To do it again</h2>
  ${command !== null && html`<pre class="command">${command}</pre>`}
  <p>${command === null ? 'Save' : 'Or save'} the input below as <code>input.json</code>, which holds every default too, and run <code>npm start -- --input-file input.json</code>. On a CPU the same versions give the same numbers.</p>
  <details>
    <summary>Input, every field</summary>
    <pre tabindex="0">${JSON.stringify({ ...input, training: withoutForkedRuns(input.training) }, null, 2)}</pre>
  </details>
  ${
    versions.length > 0 &&
    html`<table><caption>Versions</caption><thead><tr><th scope="col">What</th><th scope="col">Version</th></tr></thead><tbody>${versions.map(([name, version]) => html`<tr><th scope="row">${name}</th><td>${version}</td></tr>`)}</tbody></table>`
  }
</section>`;
}
