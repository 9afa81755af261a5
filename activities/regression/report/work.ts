/** Where the time went, what was reused, and what was lost. */
import type { SplitWork } from '../types.ts';
import { type Html, html } from './html.ts';
import { count, duration, some } from './numbers.ts';
import type { ReportData } from './report-data.ts';

const STAGE_TITLES: Record<string, string> = {
  synthetic: 'Draw made-up eyes',
  download: 'Download',
  prepare: 'Unzip and augment',
  label: 'Label and build databases',
  regress: 'Regress and judge',
  'train-four-heads': 'Train four heads',
};

export function renderWork({ metrics, stageCounts }: ReportData): Html {
  const { work } = metrics;
  const longest = Math.max(1e-9, ...work.stages.map(stage => stage.seconds));
  return html`
<section aria-labelledby="work">
  <h2 id="work">Where the time went</h2>
  <div class="scroll" role="region" aria-label="Seconds of each stage" tabindex="0">
  <table class="bars">
    <thead><tr><th scope="col">Stage</th><th scope="col" class="wide"><span class="hidden">Bar</span></th><th scope="col" class="num">Time</th><th scope="col">In this run</th></tr></thead>
    <tbody>${work.stages.map(
      stage =>
        html`<tr><th scope="row">${titleOf(stage.name)}</th><td class="wide"><span class="bar${stage.reused ? ' faint' : ''}" style="--share:${(stage.seconds / longest).toFixed(4)}"></span></td><td class="num nowrap">${duration(stage.seconds)}</td><td>${stage.reused ? 'reused' : 'made'}</td></tr>${parts(stageCounts[stage.name] ?? {})}`,
    )}</tbody>
  </table>
  </div>
  <p class="small">Wall-clock time from the opening to the closing of each stage; trainings overlap, so the sum is more than the wait. A reused stage shows what making it took.</p>
  <p>${some(work.segmentsTrained, 'training segment')} trained, ${count(work.segmentsReused)} reused.
  ${work.segmentsRepeated === 0 ? 'Nothing was lost to an interruption.' : html`${some(work.segmentsRepeated, 'attempt')} of a segment ended early and was done again: ${some(work.iterationsLost, 'iteration')}, ${duration(work.secondsLost)} lost.`}</p>
  ${lostTable(work.splits ?? [])}
</section>`;
}

/** Only the trainings that lost something. */
function lostTable(splits: readonly SplitWork[]): Html | null {
  const lost = splits.filter(split => split.segmentsRepeated > 0);
  if (lost.length === 0) return null;
  const row = ({ name, segmentsRepeated, iterationsLost, secondsLost, reasons }: SplitWork) =>
    html`<tr><th scope="row">${titleOf(name)}</th><td class="num">${count(segmentsRepeated)}</td><td class="num">${count(iterationsLost)}</td><td class="num nowrap">${duration(secondsLost)}</td><td>${Object.entries(
      reasons,
    )
      .map(([reason, n]) => `${n} ${reason}`)
      .join(', ')}</td></tr>`;
  return html`
  <div class="scroll" role="region" aria-label="Work that was done again" tabindex="0">
  <table>
    <thead><tr><th scope="col">Done again</th><th scope="col" class="num">Attempts lost</th><th scope="col" class="num">Iterations</th><th scope="col" class="num">Time</th><th scope="col">Why</th></tr></thead>
    <tbody>${lost.map(row)}</tbody>
  </table>
  </div>`;
}

function titleOf(name: string): string {
  const split = /^train-(\d+)-vs-(\d+)$/.exec(name);
  return split === null ? (STAGE_TITLES[name] ?? name) : `Train ${split[1]} against ${split[2]}`;
}

/** Unzipping and augmenting are one pass over the pictures; their shares of the work are told apart. */
function parts(counts: Record<string, number>): Html | null {
  const { unzipSeconds, augmentSeconds, entries, bytes, crcErrors, pictures, quarantined } = counts;
  if (unzipSeconds === undefined || augmentSeconds === undefined) return null;
  const row = (name: string, what: string, seconds: number) =>
    html`<tr class="part"><th scope="row">${name}</th><td class="wide small">${what}</td><td class="num nowrap">${duration(seconds)}</td><td class="small">of work</td></tr>`;
  return html`${row('Unzip', `${some(entries ?? 0, 'entry', 'entries')}, ${((bytes ?? 0) / 1e6).toFixed(1)} MB, ${some(crcErrors ?? 0, 'CRC error')}`, unzipSeconds)}${row('Augment', `${some(pictures ?? 0, 'picture')}, ${count(quarantined ?? 0)} quarantined`, augmentSeconds)}`;
}
