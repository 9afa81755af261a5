/** The report: one page without scripts or requests, for screen, phone and paper. */
import { readFileSync } from 'node:fs';
import { renderBought } from './bought.ts';
import { renderDistribution } from './distribution.ts';
import { renderFlow } from './flow.ts';
import { renderFolds } from './folds.ts';
import { renderHandOver } from './hand-over.ts';
import { type Content, html, trusted } from './html.ts';
import { renderPictures } from './pictures.ts';
import { renderReading } from './reading.ts';
import { renderRepeat } from './repeat.ts';
import type { ReportData } from './report-data.ts';
import { renderSecondLook } from './second-look.ts';
import { renderSplits } from './splits.ts';
import { renderStages } from './stages.ts';
import { renderTrainingCurves } from './training-curves.ts';
import { isMadeUp, renderVerdict } from './verdict.ts';
import { renderWrong } from './wrong.ts';
import { render2015 } from './year-2015.ts';

const STYLE = readFileSync(new URL('./style.css', import.meta.url), 'utf8');

/** Each takes the part of the data that it shows; null or nothing where there is nothing to show. */
const SECTIONS = [
  ...[renderVerdict, render2015, renderSplits, renderStages, renderDistribution, renderWrong],
  ...[renderBought, renderHandOver, renderSecondLook, renderTrainingCurves, renderFlow, renderFolds],
  ...[renderPictures, renderReading, renderRepeat],
];

/** The whole of report.html. */
export function renderReport(data: ReportData): string {
  const { metrics, createdAt } = data;
  const origin = isMadeUp(metrics) ? 'made-up eyes' : metrics.source;
  const header = html`
  <p class="kicker">Diabetic retinopathy</p>
  <h1>Four predictions, one stage</h1>
  <p class="small">Run <b>${metrics.run}</b> on ${origin}${createdAt !== null && html`, started ${createdAt.slice(0, 16).replace('T', ' ')} UTC`}</p>`;
  return renderPage(
    `Diabetic retinopathy: ${metrics.run}`,
    header,
    SECTIONS.map(render => render(data)),
  );
}

/** A page in the report's dress. */
export function renderPage(title: string, header: Content, sections: Content): string {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<link rel="icon" href="data:,">
<title>${title}</title>
<style>${trusted(STYLE)}</style>
</head>
<body>
<header>${header}
</header>
<main>${sections}
</main>
<footer><p>Not a medical device. Nothing on this page may be used to judge a person\u2019s eyes.</p></footer>
</body>
</html>
`.text;
}
