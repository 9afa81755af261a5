/** Renders the report as one page without scripts or requests, for screen, phone and paper. A running run has only some sections. */
import { readFileSync } from 'node:fs';
import { renderAblation } from './ablation.ts';
import { renderFolds, renderPictures, renderSecondLook } from './data-quality.ts';
import { isMadeUp, render2015, renderHeadline } from './headline.ts';
import { type Content, Html, html } from './html.ts';
import { renderProgress } from './progress.ts';
import type { ReportData, RunData } from './report-data.ts';
import { renderReading, renderRepeat } from './reproduce.ts';
import { renderSelectivePrediction } from './selective-prediction.ts';
import { renderSplits } from './splits.ts';
import { renderDistribution, renderStages, renderWrong } from './stages.ts';
import { renderTimeline } from './timeline.ts';
import { renderTrainingCurves } from './training-curves.ts';

const STYLE = readFileSync(new URL('./style.css', import.meta.url), 'utf8');

/** Sections in the order of the page. Those without data are left out for a run without results. */
const SECTIONS = [
  renderProgress,
  ...[renderHeadline, render2015, renderSplits, renderStages, renderDistribution, renderWrong].map(ofResults),
  ...[renderAblation, renderSelectivePrediction, renderSecondLook].map(ofResults),
  renderTrainingCurves,
  ...[renderTimeline, renderFolds].map(ofResults),
  ...[renderPictures, ofResults(renderReading), renderRepeat],
];

/** Seconds after which a browser reloads the page of a running run. */
const REFRESH = 15;

const HEADINGS = {
  running: 'Running',
  paused: 'Paused by request',
  finished: 'Stopped where it was asked to',
  failed: 'Ended without a report',
};

/** Renders report.html of a finished run or of one without results. @param at time of writing, shown for a run without results */
export function renderReport(data: RunData | ReportData, at = new Date()): string {
  const { run, input, createdAt, progress } = data;
  const origin = isMadeUp(input) ? 'made-up eyes' : input.source;
  const unfinished = progress?.state === 'running' || progress?.state === 'paused';
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
${unfinished && html`<meta http-equiv="refresh" content="${REFRESH}">`}
<link rel="icon" href="data:,">
<title>${progress ? HEADINGS[progress.state] : 'Diabetic retinopathy'}: ${run}</title>
<style>${new Html(STYLE)}</style>
</head>
<body>
<header>
  <p class="kicker">Diabetic retinopathy</p>
  <h1>${progress ? html`<span class="state ${progress.state}" aria-hidden="true"></span>${HEADINGS[progress.state]}` : 'Four predictions, one stage'}</h1>
  <p class="small">Run <b>${run}</b> on ${origin}, started ${minutes(createdAt)} UTC${progress && `. As of ${minutes(at.toISOString())} UTC.`}</p>
  ${progress?.why && html`<p class="why">${progress.why}</p>`}
</header>
<main>${SECTIONS.map(render => render(data))}
</main>
<footer><p>${unfinished && 'The results take the place of this page when the run has ended. '}Not a medical device. Nothing on this page may be used to judge a person\u2019s eyes.</p></footer>
</body>
</html>
`.text;
}

function ofResults(render: (data: ReportData) => Content) {
  return (data: RunData | ReportData) => ('metrics' in data ? render(data) : null);
}

function minutes(iso: string): string {
  return iso.slice(0, 16).replace('T', ' ');
}
