/** What the networks were shown: the first pictures of each stage in all their versions. */
import { type Html, html } from './html.ts';
import type { ReportData } from './report-data.ts';

export function renderPictures({ sheet, input }: ReportData): Html | null {
  if (sheet === null) return null;
  const { jpeg, width, height } = sheet;
  const enhanced = input.images.enhance === 'graham';
  return html`
<section aria-labelledby="pictures">
  <h2 id="pictures">What the networks were shown</h2>
  <p>The first pictures of each stage as they lie in the shards${enhanced && ', with the local average colour taken away'}: as is, rotated by 180\u00b0, mirrored, and both. A picture that is cut wrongly, or black, shows here.</p>
  <div class="scroll" role="region" aria-label="Prepared pictures" tabindex="0">
  <img class="sheet" width="${width}" height="${height}" alt="A row for each stage from 0 to 4, with the versions of its first pictures side by side" src="data:image/jpeg;base64,${jpeg.toString('base64')}">
  </div>
</section>`;
}
