/** The report: one page without scripts or requests, for screen, phone and paper. */
import { readFileSync } from 'node:fs';
import { renderDistribution } from './distribution.ts';
import { renderFolds } from './folds.ts';
import { html, trusted } from './html.ts';
import { renderPictures } from './pictures.ts';
import { renderReading } from './reading.ts';
import { renderRepeat } from './repeat.ts';
import type { ReportData } from './report-data.ts';
import { renderSplits } from './splits.ts';
import { renderStages } from './stages.ts';
import { renderTrainingCurves } from './training-curves.ts';
import { isMadeUp, renderVerdict } from './verdict.ts';
import { renderWork } from './work.ts';
import { render2015 } from './year-2015.ts';

const STYLE = readFileSync(new URL('./style.css', import.meta.url), 'utf8');

/** The whole of report.html. */
export function renderReport(data: ReportData): string {
  const { metrics, createdAt } = data;
  const origin = isMadeUp(metrics) ? 'made-up eyes' : metrics.source;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<link rel="icon" href="data:,">
<title>Diabetic retinopathy: ${metrics.run}</title>
<style>${trusted(STYLE)}</style>
</head>
<body>
<header>
  <p class="kicker">Diabetic retinopathy</p>
  <h1>Four predictions, one stage</h1>
  <p class="small">Run <b>${metrics.run}</b> on ${origin}${createdAt !== null && html`, started ${createdAt.slice(0, 16).replace('T', ' ')} UTC`}</p>
</header>
<main>${renderVerdict(data)}${renderSplits(data)}${renderStages(data)}${renderDistribution(data)}${render2015(data)}${renderTrainingCurves(data)}${renderWork(data)}${renderFolds(data)}${renderPictures(data)}${renderReading(data)}${renderRepeat(data)}
</main>
<footer><p>Not a medical device. Nothing on this page may be used to judge a person\u2019s eyes.</p></footer>
</body>
</html>
`.text;
}
