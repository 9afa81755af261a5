/** The run as a graph of its stages, what each took, and what was lost. */
import type { SplitWork } from '../types.ts';
import { type Html, html } from './html.ts';
import { bytes, count, duration, percent, some } from './numbers.ts';
import type { ReportData } from './report-data.ts';
import { isTraining, type Step, stepsOf, titleOf } from './steps.ts';

export function renderFlow({
  metrics,
  stageCounts,
  input,
}: Pick<ReportData, 'metrics' | 'stageCounts' | 'input'>): Html {
  const { work } = metrics;
  const steps = stepsOf(work.stages, work.splits ?? [], stageCounts, input);
  const before = steps.filter(step => !isTraining(step) && step.name !== 'regress');
  const trainings = steps.filter(isTraining);
  const after = steps.filter(step => step.name === 'regress');
  return html`
<section aria-labelledby="flow">
  <h2 id="flow">How the run went</h2>
  <ol class="dag">${before.map(step => html`<li>${node(step)}</li>`)}${
    trainings.length > 0 && html`<li class="fork"><ul>${trainings.map(step => html`<li>${node(step)}</li>`)}</ul></li>`
  }${after.map(step => html`<li>${node(step)}</li>`)}</ol>
  ${timeTable(steps, stageCounts.prepare ?? {})}
  <p class="small">Wall-clock time from the opening to the closing of each stage; trainings overlap, so the sum is more than the wait. A reused stage shows what making it took. Of a training an attempt is one try at a segment, and lost is what the attempts had done that came to nothing. Of any other stage an attempt is one try at a task, such as a part, a shard or a database, and lost is the time from when a task that was tried again was first due until the try that counted began, waiting included; tasks overlap too.</p>
  <p>${some(work.segmentsTrained, 'training segment')} trained, ${count(work.segmentsReused)} reused.
  ${work.segmentsRepeated === 0 ? 'No attempt of a segment came to nothing.' : html`${some(work.segmentsRepeated, 'attempt')} of a segment came to nothing and ${work.segmentsRepeated === 1 ? 'was' : 'were'} done again: ${some(work.iterationsLost, 'iteration')}, ${duration(work.secondsLost)} lost.`}</p>
  ${lostTable(work.splits ?? [])}
</section>`;
}

function node({ title, seconds, reused, did, rate, tries }: Step): Html {
  return html`<div class="node${reused && ' reused'}"><h3>${title}</h3><p><b>${duration(seconds)}</b>${reused && html` <span class="flag">reused</span>`}</p>${did && html`<p class="small">${did}</p>`}${rate && html`<p class="small">${rate}</p>`}${
    tries &&
    tries.attemptsLost > 0 &&
    html`<p class="small lost">${some(tries.attemptsLost, 'attempt')} lost, ${duration(tries.secondsLost)}</p>`
  }</div>`;
}

function timeTable(steps: readonly Step[], prepared: Record<string, number>): Html {
  const longest = Math.max(1e-9, ...steps.map(step => step.seconds));
  const row = (step: Step) => {
    const { title, seconds, reused, rate, tries } = step;
    return html`<tr><th scope="row">${title}${reused && html` <span class="flag">reused</span>`}</th><td class="wide"><span class="bar${reused && ' faint'}" style="--share:${(seconds / longest).toFixed(4)}"></span></td><td class="num nowrap">${duration(seconds)}</td><td class="num nowrap">${rate}</td><td class="num">${tries && count(tries.attempts)}</td><td class="num nowrap">${tries && (tries.attemptsLost === 0 ? 'none' : duration(tries.secondsLost))}</td></tr>${step.name === 'prepare' && parts(prepared)}`;
  };
  return html`
  <div class="scroll" role="region" aria-label="Time of each stage" tabindex="0">
  <table class="bars">
    <thead><tr><th scope="col">Stage</th><th scope="col" class="wide"><span class="hidden">Bar</span></th><th scope="col" class="num">Time</th><th scope="col" class="num">Rate</th><th scope="col" class="num">Attempts</th><th scope="col" class="num">Lost</th></tr></thead>
    <tbody>${steps.map(row)}</tbody>
  </table>
  </div>`;
}

/** Unzipping and augmenting are one pass over the pictures; their shares of the work are told apart. */
function parts(c: Record<string, number>): Html | null {
  const { unzipSeconds, augmentSeconds } = c;
  if (unzipSeconds === undefined || augmentSeconds === undefined) return null;
  const all = Math.max(1e-9, unzipSeconds + augmentSeconds);
  const row = (name: string, what: string, seconds: number) =>
    html`<tr class="part"><th scope="row">${name}</th><td class="wide small">${what}</td><td class="num nowrap">${duration(seconds)}</td><td class="small" colspan="3">of work, ${percent(seconds / all, 0)}</td></tr>`;
  return html`${row('Unzip', `${some(c.entries ?? 0, 'entry', 'entries')}, ${bytes(c.bytes ?? 0)}, ${some(c.crcErrors ?? 0, 'CRC error')}`, unzipSeconds)}${row('Augment', `${some(c.pictures ?? 0, 'picture')}, ${count(c.quarantined ?? 0)} quarantined`, augmentSeconds)}`;
}

/** Why an attempt came to nothing, by the words of its journal. */
const REASONS: Record<string, string> = {
  killed: 'killed',
  'shut down': 'worker shut down',
  notice: 'machine taken away after a notice',
  cancelled: 'cancelled',
  failed: 'failed',
  spoilt: 'snapshot pair found spoilt, trained again',
  removed: 'snapshot pair had been removed, trained again',
  late: 'another attempt was quicker',
};

/** Only the trainings that lost something. */
function lostTable(splits: readonly SplitWork[]): Html | null {
  const lost = splits.filter(split => split.segmentsRepeated > 0);
  if (lost.length === 0) return null;
  const row = ({ name, segmentsRepeated, iterationsLost, secondsLost, reasons }: SplitWork) =>
    html`<tr><th scope="row">${titleOf(name)}</th><td class="num">${count(segmentsRepeated)}</td><td class="num">${count(iterationsLost)}</td><td class="num nowrap">${duration(secondsLost)}</td><td>${Object.entries(
      reasons,
    )
      .map(([reason, n]) => `${n} ${REASONS[reason] ?? reason}`)
      .join(', ')}</td></tr>`;
  return html`
  <div class="scroll" role="region" aria-label="Work that was done again" tabindex="0">
  <table>
    <thead><tr><th scope="col">Done again</th><th scope="col" class="num">Attempts lost</th><th scope="col" class="num">Iterations</th><th scope="col" class="num">Time</th><th scope="col" class="words">Why</th></tr></thead>
    <tbody>${lost.map(row)}</tbody>
  </table>
  </div>`;
}
