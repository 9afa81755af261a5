/** Renders the run as a graph of its stages, with their work, time and lost attempts. */
import type { PipelineInput } from '../../config/input.ts';
import { recordsPerIteration } from '../../config/training.ts';
import { bytes, counted, fineDuration, fixed, percent, whole } from '../../lib/format.ts';
import type { Tries } from '../run/attempt-counts.ts';
import { bar, type Html, html, section, table } from './html.ts';
import type { ReportData } from './report-data.ts';
import type { SplitWork, StageWork } from './types.ts';

interface Step extends StageWork {
  title: string;
  /** Work of the stage: `600 pictures in 4 versions`. */
  did: string | undefined;
  /** Throughput: `92 pictures/s`. */
  rate: string | undefined;
  /** Attempt counts, for a training those of its segments; null where they were not counted. */
  tries: Tries | null;
}

type Counts = Record<string, number>;

export function renderTimeline({ metrics, stageCounts, input }: ReportData): Html {
  const { work } = metrics;
  const steps = work.stages
    .map(stage => stepOf(stage, work.splits, stageCounts[stage.name] ?? {}, input))
    // Trainings end in any order and are shown in the order of their splits.
    .sort((a, b) => placeOf(a) - placeOf(b) || (a.name < b.name ? -1 : 1));
  const nodes = (belongs: (place: number) => boolean) =>
    steps.filter(step => belongs(placeOf(step))).map(step => html`<li>${node(step)}</li>`);
  const trainings = nodes(place => place === TRAINING);
  return section(
    'flow',
    'How the run went',
    html`<ol class="dag">${nodes(place => place < TRAINING)}${
      trainings.length > 0 && html`<li class="fork"><ul>${trainings}</ul></li>`
    }${nodes(place => place > TRAINING)}</ol>`,
    timeTable(steps, stageCounts.prepare ?? {}),
    html`<p class="small">Wall-clock time from the opening to the closing of each stage; trainings overlap, so the sum is more than the wait. A reused stage shows what making it took. Of a training an attempt is one try at a segment, and lost is what the attempts had done that came to nothing. Of any other stage an attempt is one try at a task, such as a part, a shard or a database, and lost is the time from when a task that was tried again was first due until the try that counted began, waiting included; tasks overlap too.</p>
  <p>${counted(work.segmentsTrained, 'training segment')} trained, ${whole(work.segmentsReused)} reused.
  ${work.segmentsRepeated === 0 ? 'No attempt of a segment came to nothing.' : html`${counted(work.segmentsRepeated, 'attempt')} of a segment came to nothing and ${work.segmentsRepeated === 1 ? 'was' : 'were'} done again: ${counted(work.iterationsLost, 'iteration')}, ${fineDuration(work.secondsLost)} lost.`}</p>`,
  );
}

function node({ title, seconds, reused, did, rate, tries }: Step): Html {
  return html`<div class="node${reused && ' reused'}"><h3>${title}</h3><p><b>${fineDuration(seconds)}</b>${flag(reused)}</p>${[did, rate].map(line => line && html`<p class="small">${line}</p>`)}${
    tries &&
    tries.attemptsLost > 0 &&
    html`<p class="small lost">${counted(tries.attemptsLost, 'attempt')} lost, ${fineDuration(tries.secondsLost)}</p>`
  }</div>`;
}

const flag = (reused: boolean) => reused && html` <span class="flag">reused</span>`;

function timeTable(steps: readonly Step[], prepared: Counts): Html {
  const longest = Math.max(1e-9, ...steps.map(step => step.seconds));
  return table(
    'Time of each stage',
    steps,
    [
      ['Stage', step => html`${step.title}${flag(step.reused)}`],
      [html`<span class="hidden">Bar</span>`, step => bar(step.seconds / longest, step.reused), 'wide'],
      ['Time', step => fineDuration(step.seconds), 'num nowrap'],
      ['Rate', step => step.rate, 'num nowrap'],
      ['Attempts', ({ tries }) => tries && whole(tries.attempts), 'num'],
      [
        'Lost',
        ({ tries }) => tries && (tries.attemptsLost === 0 ? 'none' : fineDuration(tries.secondsLost)),
        'num nowrap',
      ],
    ],
    { classes: 'bars', below: step => step.name === 'prepare' && parts(prepared) },
  );
}

/** Renders unzipping and augmenting as two rows with their shares of the work. They are one pass over the images. */
function parts(c: Counts): Html | null {
  const { unzipSeconds, augmentSeconds } = c;
  if (unzipSeconds === undefined || augmentSeconds === undefined) return null;
  const all = Math.max(1e-9, unzipSeconds + augmentSeconds);
  const row = (name: string, what: string, seconds: number) =>
    html`<tr class="part"><th scope="row">${name}</th><td class="wide small">${what}</td><td class="num nowrap">${fineDuration(seconds)}</td><td class="small" colspan="3">of work, ${percent(seconds / all, 0)}</td></tr>`;
  return html`${row('Unzip', `${counted(c.entries ?? 0, 'entry', 'entries')}, ${bytes(c.bytes ?? 0)}, ${counted(c.crcErrors ?? 0, 'CRC error')}`, unzipSeconds)}${row('Augment', `${counted(c.pictures ?? 0, 'picture')}, ${whole(c.quarantined ?? 0)} quarantined`, augmentSeconds)}`;
}

const TITLES: Record<string, string> = {
  synthetic: 'Draw made-up eyes',
  download: 'Download',
  prepare: 'Unzip and augment',
  label: 'Label and pack',
  'train-four-heads': 'Train four heads',
  regress: 'Regress and judge',
};

function titleOf(name: string): string {
  const [, at, against] = /^train-(\d+)-vs-(\d+)$/.exec(name) ?? [];
  return at === undefined ? (TITLES[name] ?? name) : `Train ${at} against ${against}`;
}

const ORDER = ['synthetic', 'download', 'prepare', 'label', 'train', 'regress'];
const TRAINING = ORDER.indexOf('train');

function placeOf({ name }: StageWork): number {
  return ORDER.indexOf(name.startsWith('train-') ? 'train' : name);
}

function stepOf(stage: StageWork, splits: SplitWork[] | undefined, counts: Counts, input: PipelineInput): Step {
  const [did, amount, unit = ''] = workOf(stage.name, counts, input);
  const split = splits?.find(({ name }) => name === stage.name);
  return {
    ...stage,
    title: titleOf(stage.name),
    did,
    rate: amount !== undefined && stage.seconds > 0 ? rateOf(amount / stage.seconds, unit) : undefined,
    tries: split ? triesOf(split) : stage.attempts === undefined ? null : (stage as Tries),
  };
}

function triesOf({ segmentsTrained, segmentsReused, segmentsRepeated, secondsLost }: SplitWork): Tries {
  const attempts = segmentsTrained + segmentsReused + segmentsRepeated;
  return { attempts, attemptsLost: segmentsRepeated, secondsLost };
}

/** Returns the work of a stage, and amount and unit of its rate. Returns an empty list where nothing was counted. */
function workOf(
  name: string,
  c: Counts,
  { images, training }: PipelineInput,
): [did?: string, amount?: number, unit?: string] {
  switch (name) {
    case 'download':
      return c.bytes === undefined ? [] : [`${bytes(c.bytes)} in ${counted(c.parts ?? 0, 'part')}`, c.bytes, 'bytes'];
    case 'label':
      return c.records === undefined ? [] : [counted(c.records, 'record'), c.records, 'records'];
    case 'regress':
      return c.eyes === undefined ? [] : [`${counted(c.eyes, 'test eye')} judged`];
    case 'synthetic':
    case 'prepare': {
      const versions = name === 'prepare' ? ` in ${counted(images.versions.length, 'version')}` : '';
      return c.pictures === undefined ? [] : [`${counted(c.pictures, 'picture')}${versions}`, c.pictures, 'pictures'];
    }
    default: {
      if (c.epochs === undefined || c.iterations === undefined) return [];
      const did = `${counted(c.epochs, 'epoch')}, ${counted(c.iterations, 'iteration')}`;
      return [did, c.iterations * recordsPerIteration(training), 'images'];
    }
  }
}

function rateOf(perSecond: number, unit: string): string {
  if (unit === 'bytes') return `${bytes(perSecond)}/s`;
  return `${perSecond < 10 ? fixed(perSecond, 1) : whole(Math.round(perSecond))} ${unit}/s`;
}
