/** Trains one segment: wholly, with a verified snapshot pair at its end, or not at all. */
import { randomUUID } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { putBytes, putFile } from '../../storage/files.ts';
import type { Manifest } from '../../storage/manifest.ts';
import { ChecksumMismatch, ObjectNotFound } from '../../storage/store.ts';
import { finalFailure } from '../failures.ts';
import type { ActivityServices } from '../services.ts';
import { TrainingLog } from './caffe-log.ts';
import type { Cards } from './cards.ts';
import { SEGMENT_RECIPE } from './chain.ts';
import { type KeyedSegment, keyedSegment, pathOf, readInputs } from './inputs.ts';
import { FILES } from './network.ts';
import { CaffeError, runCaffe } from './run-caffe.ts';
import { type Attempt, lostWork, readSegment, segmentPrefix, writeAttempt } from './segment-record.ts';
import { faultOfPair } from './snapshot-check.ts';
import { Stopwatch } from './stopwatch.ts';
import type { SegmentArgs, SegmentProgress, SegmentResult } from './types.ts';
import { inWorkspace, placeDatabase, placeNetFiles, placeObject } from './workspace.ts';

/** Points of the curve that a segment keeps. */
const CURVE_POINTS = 40;
/**
 * Loss of a head beyond which a net has learnt nonsense: guessing is at 0.7, and a true class of probability nothing at 87, where
 * batch normalisation holds a net that would otherwise have gone to infinity.
 */
const HOPELESS_LOSS = 20;

/** Who trains: an attempt of an activity. */
export interface Trainer {
  /** Names the activity's execution. */
  activity: string;
  /** Which of its attempts, from 1. */
  number: number;
  /** Heartbeat details of the attempt before, if there was one. */
  before: unknown;
}

/**
 * @throws non-retryable `Diverged`, `BadNetwork`, `BadInput`; CaffeError where another attempt may do better
 */
export async function trainSegment(
  services: ActivityServices,
  cards: Cards,
  args: SegmentArgs,
  { activity, number, before }: Trainer,
  report: (progress: SegmentProgress) => void,
  signal: AbortSignal,
): Promise<SegmentResult> {
  const { store } = services;
  const watch = new Stopwatch<'reading' | 'placing' | 'caffe' | 'verifying' | 'storing'>();
  const inputs = await readInputs(store, args);
  const segment = await keyedSegment(inputs, args, args.segment, args.previous);
  const finished = await readSegment(store, segment.key);
  if (finished) return { ...finished.result, reused: true };

  const attempt: Attempt = {
    attempt: randomUUID(),
    activity,
    number,
    from: segment.from,
    to: segment.to,
    startedAt: new Date(watch.startedAt).toISOString(),
    doneBefore: number > 1 ? iterationsBy(before, segment) : 0,
  };
  await writeAttempt(store, segment.key, attempt);
  const log = new TrainingLog();
  const progress = () =>
    report({
      split: args.name,
      epoch: segment.epoch,
      iteration: log.iteration ?? segment.from,
      of: inputs.iterations,
      loss: log.loss,
      rate: log.rate,
    });
  progress();
  watch.lap('reading');

  return inWorkspace(services, 'segment', async folder => {
    await placeNetFiles(services, inputs, folder);
    await placeDatabase(services, inputs.databases.get(segment.database.name)!, folder);
    await writeFile(join(folder, FILES.net), segment.net);
    await writeFile(join(folder, FILES.solver), segment.solver);
    const start = await placeStart(services, args, segment, folder);
    watch.lap('placing');

    const caffe = await services.caffe();
    await cards.use(card =>
      runCaffe('caffe', ['train', `--solver=${FILES.solver}`, ...start, ...card], {
        caffe,
        cwd: folder,
        signal,
        onEvent: event => {
          log.add(event);
          if (event.kind !== 'iteration') return;
          if (!Number.isFinite(event.loss)) throw diverged(event.loss, event.iteration, args);
          progress();
        },
      }),
    );
    watch.lap('caffe');
    await proveSuccess(log, segment, folder);
    if (log.loss! / args.heads.length > HOPELESS_LOSS) throw diverged(log.loss!, segment.to, args);

    watch.lap('verifying');

    const place = `${segmentPrefix(segment.key)}/${attempt.attempt}`;
    const [model, state] = await Promise.all(
      (['caffemodel', 'solverstate'] as const).map(kind =>
        putFile(store, `${place}/net_iter_${segment.to}.${kind}`, join(folder, FILES.snapshot(segment.to, kind))),
      ),
    );
    const curve = await putBytes(store, `${place}/curve.json`, JSON.stringify(log.curve(CURVE_POINTS)));
    watch.lap('storing');
    const seconds = watch.all();
    const lost = await lostWork(store, segment.key, attempt.attempt, seconds / (segment.to - segment.from));
    const manifest: Manifest = {
      schemaVersion: 1,
      stage: 'segment',
      key: segment.key,
      recipe: SEGMENT_RECIPE,
      inputs: {
        label: args.label,
        database: segment.database.name,
        checksum: segment.database.checksum,
        ...(args.previous === null ? {} : { previous: args.previous }),
      },
      parameters: { net: segment.net, solver: segment.solver, attempt: attempt.attempt, caffe: caffe.version },
      outputs: { caffemodel: model!, solverstate: state!, 'curve.json': curve },
      counts: {
        segment: segment.segment,
        epoch: segment.epoch,
        iteration: segment.to,
        loss: log.loss!,
        rate: log.rate!,
        lostAttempts: lost.attempts,
        lostIterations: lost.iterations,
        lostSeconds: lost.seconds,
        ...laps(watch.seconds),
      },
      seconds,
    };
    const { created } = await store.put(
      `${segmentPrefix(segment.key)}/manifest.json`,
      Buffer.from(JSON.stringify(manifest, null, 2)),
    );
    // A late first attempt may have been quicker: then its pair is the segment's, and this one is nobody's.
    if (!created) for (const { key } of [model!, state!, curve]) await store.remove(key);
    return { ...(await readSegment(store, segment.key))!.result, reused: !created };
  });
}

/** Puts what the segment starts from into the folder. @returns the arguments that make Caffe start from it */
async function placeStart(
  services: ActivityServices,
  { previous, segment, training }: SegmentArgs,
  { from }: KeyedSegment,
  folder: string,
): Promise<string[]> {
  await mkdir(join(folder, 'snapshot'));
  if (previous === null) {
    if (segment !== 0) throw finalFailure('Defect', `Expected segment ${segment} to have one before it, got none`);
    return training.weights === null ? [] : [`--weights=${pathOf(training.weights)}`];
  }
  const pair = await readSegment(services.store, previous);
  if (!pair)
    throw new CaffeError(
      `Expected the snapshot pair of segment ${segment - 1} under ${segmentPrefix(previous)}, got no manifest: train that segment again`,
    );
  if (pair.result.iteration !== from)
    throw finalFailure(
      'Defect',
      `Expected segment ${segment} to follow iteration ${from}, got a pair of ${pair.result.iteration}`,
    );
  try {
    await placeObject(services, pair.model, folder, FILES.snapshot(from, 'caffemodel'));
    await placeObject(services, pair.state, folder, FILES.snapshot(from, 'solverstate'));
  } catch (error) {
    if (!(error instanceof ObjectNotFound) && !(error instanceof ChecksumMismatch)) throw error;
    throw new CaffeError(
      `Expected a sound snapshot pair of segment ${segment - 1}, got: ${error.message}. Remove ${segmentPrefix(previous)}/manifest.json from the store to train it again`,
      { cause: error },
    );
  }
  return [`--snapshot=${FILES.snapshot(from, 'solverstate')}`];
}

function diverged(loss: number, iteration: number, { name, training: { baseRate } }: SegmentArgs): Error {
  return finalFailure(
    'Diverged',
    `Expected the loss of ${name} to fall, got ${loss} at iteration ${iteration}: lower \`training.baseRate\` (it is ${baseRate}; try ${baseRate / 10})`,
  );
}

/** Code 0 is no proof: a run that was stopped ends with it too, and so does one that could not write. */
async function proveSuccess(log: TrainingLog, { to }: KeyedSegment, folder: string): Promise<void> {
  const files = (['caffemodel', 'solverstate'] as const).map(kind => FILES.snapshot(to, kind));
  const said = log.done && !log.stoppedEarly && files.every(file => log.snapshots.includes(file));
  if (!said || log.iteration !== to || log.loss === null || log.rate === null) {
    const end = log.stoppedEarly ? 'a run that was stopped' : 'no word of it in the log';
    throw new CaffeError(
      `Expected Caffe to end with a snapshot at iteration ${to}, got ${end} (last iteration ${log.iteration})`,
    );
  }
  const [model, state] = files.map(file => join(folder, file)) as [string, string];
  const fault = await faultOfPair(model, state, to);
  if (fault !== null)
    throw new CaffeError(`Expected a whole snapshot pair of iteration ${to}, but ${fault}: the disk may be full`);
}

/** `placingSeconds` and so on. */
function laps(seconds: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(seconds).map(([lap, took]) => [`${lap}Seconds`, took]));
}

/** How far an attempt was by its last heartbeat, as far as its details can be trusted. */
function iterationsBy(details: unknown, { from, to }: KeyedSegment): number {
  const { iteration } = (details ?? {}) as Partial<SegmentProgress>;
  return typeof iteration === 'number' && iteration > from && iteration <= to ? iteration - from : 0;
}
