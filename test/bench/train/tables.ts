/** What was measured, as tables. Pure. */
import { isTrainingDatabase } from '../../../activities/labels/database-plan.ts';
import { table, whole } from '../../../lib/format.ts';
import type { Bar } from '../download/bars.ts';
import { barTable, median } from '../download/tables.ts';
import type { BareRun } from './bare.ts';
import type { ChainRun, TimedSegment } from './chain.ts';
import type { Timed, TimedStage } from './data.ts';

export interface Round {
  bare: BareRun;
  /** As many iterations as the bare run, in two segments. */
  pipeline: ChainRun;
  /** One segment of a network of four heads. */
  fourHeads: ChainRun;
}

export interface Measured {
  rounds: Round[];
  /** Records of a segment. */
  records: number;
  stage: TimedStage;
}

const OVERHEAD = 0.03;
const SEGMENT_SECONDS = 60;
const PICTURES_PER_SECOND = 400;
const DIGITS_2015 = 39;
const FOUR_HEADS = 1.1;

export function printed(measured: Measured): string[] {
  return [
    ...trainingTable(measured),
    '',
    ...segmentTable(measured.rounds),
    '',
    ...databaseTable(measured.stage),
    '',
    ...barTable([...trainingBars(measured), databaseBar(measured.stage)]),
  ];
}

/** The part about databases alone. */
export function printedDatabases(stage: TimedStage): string[] {
  return [...databaseTable(stage), '', ...barTable([databaseBar(stage)])];
}

const segmentsOf = (rounds: readonly Round[]) => rounds.flatMap(({ pipeline }) => pipeline.segments);
const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
const perSegment = ({ seconds, segments }: ChainRun) => seconds / segments.length;
/** What the pipeline takes more than the bare run beside it, as a share of it. */
const overheadOf = ({ bare, pipeline }: Round) => pipeline.seconds / bare.seconds - 1;
const headsRatio = ({ pipeline, fourHeads }: Round) => perSegment(fourHeads) / perSegment(pipeline);
/** Share of a segment in which its Caffe does not run, or has not come to its first iteration. */
const accounted = (rounds: readonly Round[]) => {
  const starting = median(rounds.map(({ bare }) => bare.starting));
  const shares = rounds.map(({ pipeline }) => {
    const caffe = pipeline.segments.reduce((sum, segment) => sum + segment.caffe - starting, 0);
    return pipeline.seconds / caffe - 1;
  });
  return median(shares);
};

function trainingTable({ rounds, records }: Measured): string[] {
  const row = (name: string, secondsOf: (round: Round) => number, segments: number, ratio: string) => {
    const seconds = rounds.map(secondsOf);
    return [
      name,
      median(seconds).toFixed(1),
      `${Math.min(...seconds).toFixed(1)} – ${Math.max(...seconds).toFixed(1)}`,
      ((segments * records) / median(seconds)).toFixed(1),
      ratio,
    ];
  };
  return table([
    ['training', 's', 'from – to', 'records/s', ''],
    row('caffe train, bare', ({ bare }) => bare.seconds, 2, ''),
    row(
      'the pipeline, two segments',
      ({ pipeline }) => pipeline.seconds,
      2,
      `${percent(median(rounds.map(overheadOf)))} more`,
    ),
    row(
      'four heads, one segment',
      ({ fourHeads }) => fourHeads.seconds,
      1,
      `${median(rounds.map(headsRatio)).toFixed(2)} × one split`,
    ),
  ]);
}

/** Where a segment's time goes. */
function segmentTable(rounds: readonly Round[]): string[] {
  const segments = segmentsOf(rounds);
  const all = mean(segments.map(segment => segment.all));
  const turn = mean(
    rounds.map(
      ({ pipeline }) =>
        (pipeline.seconds - pipeline.segments.reduce((sum, s) => sum + s.all, 0)) / pipeline.segments.length,
    ),
  );
  const rest = ({ all: whole, waiting, reading, placing, caffe, verifying, storing }: TimedSegment) =>
    whole - waiting - reading - placing - caffe - verifying - storing;
  const row = (name: string, values: readonly number[]) => [
    name,
    (1000 * mean(values)).toFixed(0),
    (1000 * Math.max(...values)).toFixed(0),
    percent(mean(values) / all),
  ];
  const of = (name: keyof TimedSegment) => segments.map(segment => segment[name]);
  return table([
    ['a segment', 'ms', 'most', 'share'],
    row('waiting for the worker', of('waiting')),
    row('reading plan, net and settings', of('reading')),
    row('placing net, mean, database, pair', of('placing')),
    row(
      'start of Caffe',
      rounds.map(({ bare }) => bare.starting),
    ),
    row('Caffe, its start included', of('caffe')),
    row('verifying the pair', of('verifying')),
    row('storing the pair and its curve', of('storing')),
    row('manifest, events, completion', segments.map(rest)),
    ['the workflow’s turn', (1000 * turn).toFixed(0), '', percent(turn / all)],
    row(
      'apart: judging an epoch',
      rounds.flatMap(({ pipeline }) => pipeline.judging),
    ),
    row(
      'CPU of the worker: log, heartbeats, files',
      rounds.map(
        ({
          pipeline: {
            workerCpu,
            segments: { length },
          },
        }) => workerCpu / length,
      ),
    ),
  ]);
}

function databaseTable({ databases, mean }: TimedStage): string[] {
  const row = (name: string, rated: Rated, of2015: string) => [
    name,
    whole(rated.records),
    rated.seconds.toFixed(1),
    rated.cpu.toFixed(1),
    (rated.records / rated.seconds).toFixed(0),
    perCore(rated).toFixed(0),
    of2015,
  ];
  return table([
    ['database', 'records', 's', 'CPU s', 'pictures/s', 'pictures/s a core', 'DIGITS in 2015'],
    ...databases.map(database => row(database.name, database, String(DIGITS_2015))),
    row('mean picture', mean, ''),
  ]);
}

type Rated = TimedStage['mean'];

/** By the time on the processors, of the pipeline and of Caffe's tools; by the clock where the system does not tell. */
const perCore = ({ records, seconds, cpu }: Rated) => records / (cpu || seconds);

function trainingBars({ rounds }: Measured): Bar[] {
  const segment = median(segmentsOf(rounds).map(({ all }) => all));
  const short = segment < SEGMENT_SECONDS ? ` (segments of ${segment.toFixed(0)} s only)` : '';
  const atMost = (what: string, wanted: number, got: number, text: (value: number) => string): Bar => ({
    what,
    wanted: `≤ ${text(wanted)}`,
    got: text(got),
    met: got <= wanted,
  });
  const ratio = (value: number) => value.toFixed(2);
  return [
    atMost(`overhead to bare caffe train${short}`, OVERHEAD, median(rounds.map(overheadOf)), percent),
    atMost('the same, added up from its parts, each start of Caffe too', OVERHEAD, accounted(rounds), percent),
    atMost('four heads to one split', FOUR_HEADS, median(rounds.map(headsRatio)), ratio),
  ];
}

/** A training record's way into its database and into the mean picture. */
function databaseBar({ databases, mean }: TimedStage): Bar {
  const training = databases.filter(({ name }) => isTrainingDatabase(name));
  const sum = (value: (part: Timed) => number) => [...training, mean].reduce((all, part) => all + value(part), 0);
  const rate = perCore({ records: mean.records, seconds: sum(part => part.seconds), cpu: sum(part => part.cpu) });
  return {
    what: 'pictures/s a core into a database, its mean included',
    wanted: `≥ ${PICTURES_PER_SECOND}`,
    got: rate.toFixed(0),
    met: rate >= PICTURES_PER_SECOND,
  };
}

const percent = (share: number) => `${(100 * share).toFixed(2)} %`;
