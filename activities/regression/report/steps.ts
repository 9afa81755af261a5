/** What each stage of a run did, in words and figures of its own. */
import type { PipelineInput } from '../../../config/input.ts';
import { recordsPerIteration } from '../../../config/iteration.ts';
import type { Tries } from '../../run/tries.ts';
import type { SplitWork, StageWork } from '../types.ts';
import { bytes, count, fixed, some } from './numbers.ts';

export interface Step extends StageWork {
  title: string;
  /** What was done: `600 pictures in 4 versions`. */
  did: string | null;
  /** How fast: `92 pictures/s`. */
  rate: string | null;
  /** Of a training those at its segments, by their journals; null where nobody counted. */
  tries: Tries | null;
}

type Counts = Record<string, number>;

const TITLES: Record<string, string> = {
  synthetic: 'Draw made-up eyes',
  download: 'Download',
  prepare: 'Unzip and augment',
  label: 'Label and pack',
  regress: 'Regress and judge',
  'train-four-heads': 'Train four heads',
};

/** @param counts what each finished stage counted, by its name */
export function stepsOf(
  stages: readonly StageWork[],
  splits: readonly SplitWork[],
  counts: Readonly<Record<string, Counts>>,
  input: PipelineInput,
): Step[] {
  const steps = stages.map(stage => {
    const own = counts[stage.name] ?? {};
    const { did, amount, unit } = workOf(stage.name, own, input);
    return {
      ...stage,
      title: titleOf(stage.name),
      did,
      rate: amount === undefined || stage.seconds <= 0 ? null : rateOf(amount / stage.seconds, unit),
      tries: triesOf(
        stage,
        splits.find(({ name }) => name === stage.name),
      ),
    };
  });
  // Trainings end in any order: they are shown in that of their splits.
  return steps.sort((a, b) => placeOf(a.name) - placeOf(b.name));
}

function triesOf({ attempts, attemptsLost = 0, secondsLost = 0 }: StageWork, split?: SplitWork): Tries | null {
  if (split) {
    const { segmentsTrained, segmentsReused, segmentsRepeated } = split;
    return {
      attempts: segmentsTrained + segmentsReused + segmentsRepeated,
      attemptsLost: segmentsRepeated,
      secondsLost: split.secondsLost,
    };
  }
  return attempts === undefined ? null : { attempts, attemptsLost, secondsLost };
}

export function titleOf(name: string): string {
  const split = /^train-(\d+)-vs-(\d+)$/.exec(name);
  return split === null ? (TITLES[name] ?? name) : `Train ${split[1]} against ${split[2]}`;
}

export const isTraining = ({ name }: StageWork) => name.startsWith('train-');

const ORDER = ['synthetic', 'download', 'prepare', 'label', 'train-four-heads'];

function placeOf(name: string): number {
  if (name === 'regress') return 99;
  const known = ORDER.indexOf(name);
  return known >= 0 ? known : ORDER.length + (/^train-(\d+)/.exec(name)?.[1]?.length ?? 0);
}

function workOf(
  name: string,
  c: Counts,
  { images, training }: PipelineInput,
): { did: string | null; amount?: number | undefined; unit: string } {
  switch (name) {
    case 'synthetic':
      return { did: told(c.pictures, n => some(n, 'picture')), amount: c.pictures, unit: 'pictures' };
    case 'download':
      return {
        did: told(c.bytes, n => `${bytes(n)} in ${some(c.parts ?? 0, 'part')}`),
        amount: c.bytes,
        unit: 'bytes',
      };
    case 'prepare': {
      const versions = some(images.versions.length, 'version');
      return {
        did: told(c.pictures, n => `${some(n, 'picture')} in ${versions}`),
        amount: c.pictures,
        unit: 'pictures',
      };
    }
    case 'label':
      return { did: told(c.records, n => some(n, 'record')), amount: c.records, unit: 'records' };
    case 'regress':
      return { did: told(c.eyes, n => `${some(n, 'test eye')} judged`), unit: '' };
    default: {
      const amount = c.iterations === undefined ? undefined : c.iterations * recordsPerIteration(training);
      return {
        did: told(c.epochs, n => `${some(n, 'epoch')}, ${some(c.iterations ?? 0, 'iteration')}`),
        amount,
        unit: 'images',
      };
    }
  }
}

function told(n: number | undefined, words: (n: number) => string): string | null {
  return n === undefined ? null : words(n);
}

function rateOf(perSecond: number, unit: string): string {
  if (unit === 'bytes') return `${bytes(perSecond)}/s`;
  return `${perSecond < 10 ? fixed(perSecond, 1) : count(Math.round(perSecond))} ${unit}/s`;
}
