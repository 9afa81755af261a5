/** The page of a run that goes on: stages, splits and curves so far. It asks for itself again until the run has ended. Pure. */
import { readFileSync } from 'node:fs';
import { type Html, html, trusted } from '../regression/report/html.ts';
import { count, duration, fixed } from '../regression/report/numbers.ts';
import { splitName } from '../regression/split-names.ts';
import { renderCurves } from './curves.ts';
import type { PageSplit, PageStage, ProgressPageArgs } from './types.ts';

const STYLE = [
  readFileSync(new URL('../regression/report/style.css', import.meta.url), 'utf8'),
  readFileSync(new URL('./style.css', import.meta.url), 'utf8'),
].join('\n');

/** Seconds between two looks of a browser. */
const REFRESH = 15;

const HEADINGS = {
  running: 'Running',
  paused: 'Paused by request',
  finished: 'Stopped where it was asked to',
  failed: 'Ended without a report',
};

/** @param createdAt ISO time of the run's start; @param at when the page is written */
export function renderProgressPage(
  { run, source, state, why, stages, splits }: ProgressPageArgs,
  createdAt: string | null,
  at: Date,
): string {
  const goesOn = state === 'running' || state === 'paused';
  const origin = source === 'synthetic' ? 'made-up eyes' : source;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
${goesOn && html`<meta http-equiv="refresh" content="${REFRESH}">`}
<link rel="icon" href="data:,">
<title>${HEADINGS[state]}: ${run}</title>
<style>${trusted(STYLE)}</style>
</head>
<body class="progress">
<header>
  <p class="kicker">Diabetic retinopathy</p>
  <h1><span class="state ${state}" aria-hidden="true"></span>${HEADINGS[state]}</h1>
  <p class="small">Run <b>${run}</b> on ${origin}${createdAt !== null && html`, started ${minutes(createdAt)} UTC`}. As of ${minutes(at.toISOString())} UTC.</p>
  ${why !== null && html`<p class="why">${why}</p>`}
</header>
<main>${renderStages(stages)}${splits.length > 0 && renderSplits(splits)}${renderCurves(splits)}
</main>
<footer><p>${goesOn ? 'The report takes the place of this page when the run has ended. ' : ''}Not a medical device.</p></footer>
</body>
</html>
`.text;
}

function renderStages(stages: readonly PageStage[]): Html {
  return html`
<section aria-labelledby="stages">
  <h2 id="stages">Stages</h2>
  <div class="scroll" role="region" aria-label="Stages" tabindex="0">
  <table>
    <thead><tr><th scope="col">Stage</th><th scope="col">State</th><th scope="col" class="num">Done</th><th scope="col" class="num">Took</th><th scope="col">So far</th></tr></thead>
    <tbody>${stages.map(
      ({ name, state, done, of, unit, seconds, reason, counts }) =>
        html`<tr class="${state}"><th scope="row">${name}</th><td class="nowrap">${state}</td><td class="num">${of > 0 && html`${count(done)} of ${count(of)}<br><span class="small">${unit}</span>`}</td><td class="num nowrap">${seconds !== null && duration(seconds)}</td><td>${figures(counts)}<span class="small">${reason}</span></td></tr>`,
    )}</tbody>
  </table>
  </div>
</section>`;
}

function figures(counts: Record<string, number>): Html | null {
  const entries = Object.entries(counts);
  if (entries.length === 0) return null;
  const text = entries.map(([name, n]) => `${words(name)} ${figure(name, n)}`).join(' · ');
  return html`${text}<br>`;
}

function renderSplits(splits: readonly PageSplit[]): Html {
  return html`
<section aria-labelledby="splits">
  <h2 id="splits">Splits in training</h2>
  <div class="scroll" role="region" aria-label="Splits in training" tabindex="0">
  <table>
    <thead><tr><th scope="col">Split</th><th scope="col" class="num">Epoch</th><th scope="col" class="num">Loss</th><th scope="col" class="num">AUC</th><th scope="col" class="num">Best AUC</th><th scope="col" class="num">Attempts lost</th></tr></thead>
    <tbody>${splits.map(
      split =>
        html`<tr><th scope="row" class="nowrap">${splitName(split.k)}</th><td class="num">${split.epoch} of ${split.epochs}</td><td class="num">${fixed(split.loss)}</td><td class="num">${fixed(split.auc)}</td><td class="num">${fixed(split.bestAuc)}${split.bestEpoch !== null && html`<br><span class="small">epoch ${split.bestEpoch}</span>`}</td><td class="num">${count(split.attemptsLost)}</td></tr>`,
    )}</tbody>
  </table>
  </div>
</section>`;
}

function figure(name: string, n: number): string {
  if (name === 'bytes' || name === 'fetched') return n >= 1e9 ? `${fixed(n / 1e9, 1)} GB` : `${fixed(n / 1e6, 1)} MB`;
  return Number.isInteger(n) ? count(n) : fixed(n, 3);
}

/** `labelsWithoutPicture` → `labels without picture` */
function words(name: string): string {
  return name.replaceAll(/[A-Z]/g, letter => ` ${letter.toLowerCase()}`);
}

function minutes(iso: string): string {
  return iso.slice(0, 16).replace('T', ' ');
}
