/** Trains one segment: wholly, with a verified snapshot pair at its end, or not at all. */
import { randomUUID } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { trainingAt } from '../../config/forks.ts';
import { putBytes, putFile } from '../../storage/files.ts';
import type { Manifest } from '../../storage/manifest.ts';
import { finalFailure } from '../failures.ts';
import type { ActivityServices } from '../services.ts';
import { describeArithmetic } from './arithmetic.ts';
import { Journal, lostWork, noteEnd, readAttempts } from './attempts.ts';
import { TrainingLog } from './caffe-log.ts';
import type { Cards } from './cards.ts';
import { SEGMENT_RECIPE } from './chain.ts';
import { type KeyedSegment, keyedSegment, pathOf, readInputs, type TrainingInputs } from './inputs.ts';
import { FILES } from './network.ts';
import type { Pace } from './pace.ts';
import { placePair, unlessRefused } from './pair.ts';
import { dropPairs, hold } from './retention.ts';
import { CaffeError, runCaffe } from './run-caffe.ts';
import { lostCounts, readSegment, segmentPrefix } from './segment-record.ts';
import { faultOfPair } from './snapshot-check.ts';
import { Stopwatch } from './stopwatch.ts';
import type { SegmentArgs, SegmentProgress, SegmentResult, SpoiltPair } from './types.ts';
import { inWorkspace, placeDatabase, placeNetFiles } from './workspace.ts';

/** Points of the curve that a segment keeps. */
const CURVE_POINTS = 40;
/**
 * Loss of a head beyond which a net has learnt nonsense: guessing is at 0.7, and a true class of probability nothing at 87, where
 * batch normalisation holds a net that would otherwise have gone to infinity.
 */
const HOPELESS_LOSS = 20;

type Watch = Stopwatch<'reading' | 'placing' | 'caffe' | 'verifying' | 'storing'>;

/** Who trains: an attempt of an activity. */
export interface Trainer {
  /** Names the activity's execution. */
  activity: string;
  /** Which of its attempts, from 1. */
  number: number;
}

/**
 * @throws non-retryable `SpoiltPair`, `Diverged`, `BadNetwork`, `BadInput`; CaffeError where another attempt may do better
 */
export async function trainSegment(
  services: ActivityServices,
  cards: Cards,
  args: SegmentArgs,
  trainer: Trainer,
  report: (progress: SegmentProgress) => void,
  signal: AbortSignal,
  pace: Pace,
): Promise<SegmentResult> {
  const { store } = services;
  const watch: Watch = new Stopwatch();
  const { previous, instead = null } = args;
  const inputs = await readInputs(store, args);
  const segment = await keyedSegment(inputs, args, args.segment, previous, args.rate);
  const finished = await readSegment(store, segment.key);
  if (finished && finished.attempt !== instead?.attempt) return { ...finished.result, reused: true };

  await hold(store, args, [...(args.keep ?? []), ...(previous === null ? [] : [previous]), segment.key]);
  const attempt = randomUUID();
  const journal = new Journal(store, `${segmentPrefix(segment.key)}/attempts/${attempt}.json`, {
    ...{ attempt, ...trainer, from: segment.from, to: segment.to },
    ...(instead === null ? {} : { instead }),
  });
  await journal.begin();
  try {
    const result = await attemptSegment(
      services,
      cards,
      args,
      { inputs, segment, journal, watch, pace },
      report,
      signal,
    );
    await dropPairs(store, args.drop ?? []);
    return result;
  } catch (error) {
    await noteEnd(journal, error, signal).catch(cause =>
      services.log.warn({ cause: String(cause) }, 'The journal did not take why the attempt ended'),
    );
    throw error;
  }
}

interface Trial {
  inputs: TrainingInputs;
  segment: KeyedSegment;
  journal: Journal;
  watch: Watch;
  pace: Pace;
}

async function attemptSegment(
  services: ActivityServices,
  cards: Cards,
  args: SegmentArgs,
  { inputs, segment, journal, watch, pace }: Trial,
  report: (progress: SegmentProgress) => void,
  signal: AbortSignal,
): Promise<SegmentResult> {
  const { store } = services;
  const { attempt } = journal.entry;
  const log = new TrainingLog();
  const progress = () => {
    const iteration = log.iteration ?? segment.from;
    journal.reached(iteration);
    report({
      split: args.name,
      epoch: segment.epoch,
      iteration,
      of: inputs.iterations,
      loss: log.loss,
      rate: log.rate,
    });
  };
  progress();
  watch.lap('reading');

  return inWorkspace(services, 'segment', async folder => {
    await placeNetFiles(services, { ...inputs, classWeights: segment.classWeights }, folder);
    await placeDatabase(services, inputs.databases.get(segment.database.name)!, folder);
    await writeFile(join(folder, FILES.net), segment.net);
    await writeFile(join(folder, FILES.solver), segment.solver);
    const start = await placeStart(services, args, segment, folder);
    watch.lap('placing');

    const caffe = await services.caffe();
    const arithmetic = await cards.use(async card => {
      await runCaffe('caffe', ['train', `--solver=${FILES.solver}`, ...start, ...card], {
        caffe,
        cwd: folder,
        signal,
        onEvent: event => {
          log.add(event);
          if (event.kind !== 'iteration') return;
          if (!Number.isFinite(event.loss)) throw diverged(event.loss, event.iteration, args, segment.epoch);
          pace.at(event.iteration, segment.to, Date.now());
          progress();
        },
      }).catch(async error => {
        throw await unlessRefused(services, args.previous, error);
      });
      return describeArithmetic(caffe, card);
    });
    watch.lap('caffe');
    await proveSuccess(log, segment, folder);
    if (log.loss! / args.heads.length > HOPELESS_LOSS) throw diverged(log.loss!, segment.to, args, segment.epoch);
    watch.lap('verifying');

    const place = `${segmentPrefix(segment.key)}/${attempt}`;
    const [model, state] = await Promise.all(
      (['caffemodel', 'solverstate'] as const).map(kind =>
        putFile(store, `${place}/net_iter_${segment.to}.${kind}`, join(folder, FILES.snapshot(segment.to, kind))),
      ),
    );
    const curve = await putBytes(store, `${place}/curve.json`, JSON.stringify(log.curve(CURVE_POINTS)));
    watch.lap('storing');
    await journal.end('trained');
    const lost = lostWork(await readAttempts(store, segmentPrefix(segment.key)), attempt);
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
      parameters: { net: segment.net, solver: segment.solver, attempt, caffe: caffe.version, arithmetic },
      outputs: { caffemodel: model!, solverstate: state!, 'curve.json': curve },
      counts: {
        segment: segment.segment,
        epoch: segment.epoch,
        iteration: segment.to,
        loss: log.loss!,
        rate: log.rate!,
        ...lostCounts(lost),
        ...laps(watch.seconds),
      },
      seconds: watch.all(),
    };
    return publish(services, segment.key, manifest, journal, args.instead ?? null);
  });
}

/** Makes the attempt's pair the segment's, unless a quicker attempt has given it one already. */
async function publish(
  { store }: ActivityServices,
  key: string,
  manifest: Manifest,
  journal: Journal,
  instead: SpoiltPair['instead'],
): Promise<SegmentResult> {
  const at = `${segmentPrefix(key)}/manifest.json`;
  const bytes = Buffer.from(JSON.stringify(manifest, null, 2));
  const { created } = await store.put(at, bytes);
  const there = await readSegment(store, key);
  if (created) return { ...there!.result, reused: false };
  if (there === undefined || there.attempt === instead?.attempt) {
    // In the place of a manifest that cannot be read, or whose pair cannot be used.
    await store.put(at, bytes, { overwrite: true });
    for (const artifact of there ? [there.model, there.state, there.curve] : []) await store.remove(artifact.key);
    return { ...(await readSegment(store, key))!.result, reused: false };
  }
  await journal.end('late');
  for (const artifact of Object.values(manifest.outputs)) await store.remove(artifact.key);
  return { ...there.result, reused: true };
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
  await placePair(services, previous, from, folder);
  return [`--snapshot=${FILES.snapshot(from, 'solverstate')}`];
}

function diverged(loss: number, iteration: number, { name, heads, training }: SegmentArgs, epoch: number): Error {
  const { baseRate } = trainingAt(training, heads, epoch);
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
  const fault = await faultOfPair(folder, ...(files as [string, string]), to);
  if (fault !== null)
    throw new CaffeError(`Expected a whole snapshot pair of iteration ${to}, but ${fault}: the disk may be full`);
}

/** `placingSeconds` and so on. */
function laps(seconds: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(seconds).map(([lap, took]) => [`${lap}Seconds`, took]));
}
