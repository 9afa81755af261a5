/** Trains one segment atomically: stores a verified snapshot, or nothing. */
import { randomUUID } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { Context } from '@temporalio/activity';
import { trainingAt } from '../../config/forks.ts';
import { putBytes, putFile } from '../../storage/artifacts.ts';
import { distrustCopy } from '../../storage/cache.ts';
import { putJson } from '../../storage/documents.ts';
import type { Manifest } from '../../storage/manifest.ts';
import { TrainingLog } from '../caffe/caffe-log.ts';
import { FILES, pairFiles } from '../caffe/network.ts';
import { CaffeError, type Cards, runCaffe } from '../caffe/run-caffe.ts';
import { type ActivityServices, inWorkspace } from '../dependencies.ts';
import { finalFailure } from '../failures.ts';
import { count, gauge } from '../metrics.ts';
import type { LostWork } from '../run/types.ts';
import { type KeyedSegment, keyedSegment, readInputs, type TrainingInputs } from './inputs.ts';
import { SEGMENT_RECIPE } from './segment-keys.ts';
import {
  describeArithmetic,
  type FinishedSegment,
  pruneSnapshots,
  readSegment,
  segmentPrefix,
} from './segment-manifest.ts';
import { faultOfPair, placePair, unlessRefused } from './snapshot.ts';
import type { SegmentArgs, SegmentProgress, SegmentResult } from './types.ts';
import { placeDatabase, placeNetFiles, placeWeights } from './workspace.ts';

/** Points of the curve that a segment stores. */
const CURVE_POINTS = 40;
/**
 * Loss of a head above which a net has diverged. Guessing gives 0.7, and a true class of probability 0 gives 87, where batch
 * normalization holds a net that would otherwise go to infinity.
 */
const HOPELESS_LOSS = 20;

/** Measures the seconds of consecutive steps, by name. */
function stopwatch() {
  const first = performance.now();
  let last = first;
  const seconds: Record<string, number> = {};
  const lap = (name: 'reading' | 'placing' | 'caffe' | 'verifying' | 'storing') => {
    const now = performance.now();
    seconds[`${name}Seconds`] = (now - last) / 1000;
    last = now;
  };
  return { seconds, lap, all: () => (performance.now() - first) / 1000 };
}

/**
 * Trains a segment, or returns the cached one.
 * @throws non-retryable `SpoiltPair`, `Diverged`, `BadNetwork`, `BadInput`; CaffeError where another attempt may succeed
 */
export async function trainSegment(
  services: ActivityServices,
  cards: Cards,
  args: SegmentArgs,
  report: (progress: SegmentProgress) => void,
  signal: AbortSignal,
): Promise<SegmentResult> {
  const watch = stopwatch();
  const inputs = await readInputs(services, args);
  const segment = await keyedSegment(inputs, args, args.segment, args.previous, args.rate);
  const finished = await readSegment(services.store, segment.key);
  const trial = { inputs, segment, watch, replaced: finished?.result };
  const trained =
    finished && finished.attempt !== args.instead
      ? { ...finished.result, reused: true }
      : await attemptSegment(services, cards, args, trial, report, signal);
  await pruneSnapshots(services.store, args.run, args.drop ?? []);
  return trained;
}

/** Returns the wasted work of earlier attempts, from the attempt number and the last heartbeat of the previous attempt. */
function earlierAttempts(): LostWork {
  const { attempt, heartbeatDetails } = Context.current().info;
  const { wasted } = (heartbeatDetails ?? {}) as Partial<SegmentProgress>;
  return { attempts: attempt - 1, iterations: wasted?.iterations ?? 0, seconds: wasted?.seconds ?? 0 };
}

interface Trial {
  inputs: TrainingInputs;
  segment: KeyedSegment;
  watch: ReturnType<typeof stopwatch>;
  /** Earlier result of the segment, if its snapshot is unusable. */
  replaced: FinishedSegment['result'] | undefined;
}

async function attemptSegment(
  services: ActivityServices,
  cards: Cards,
  args: SegmentArgs,
  { inputs, segment, watch, replaced }: Trial,
  report: (progress: SegmentProgress) => void,
  signal: AbortSignal,
): Promise<SegmentResult> {
  const { store } = services;
  const attempt = randomUUID();
  const earlier = earlierAttempts();
  const log = new TrainingLog();
  let reached = segment.from;
  const progress = () => {
    const iteration = log.iteration ?? segment.from;
    count('trainedIterations', Math.max(0, iteration - reached));
    reached = iteration;
    if (log.loss !== null) gauge('loss', log.loss);
    report({
      ...{ split: args.name, epoch: segment.epoch, iteration, of: inputs.iterations, loss: log.loss, rate: log.rate },
      wasted: {
        iterations: earlier.iterations + iteration - segment.from,
        seconds: earlier.seconds + watch.all(),
      },
    });
  };
  progress();
  watch.lap('reading');

  return inWorkspace(services, 'segment', async folder => {
    await placeNetFiles(services, { ...inputs, classWeights: segment.classWeights }, folder);
    const copy = await placeDatabase(services, inputs.databases.get(segment.database.name)!, folder);
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
          progress();
        },
      }).catch(async error => {
        distrustCopy(copy);
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
      pairFiles(segment.to).map(file => putFile(store, `${place}/${basename(file)}`, join(folder, file))),
    );
    const curve = await putBytes(store, `${place}/curve.json`, JSON.stringify(log.curve(CURVE_POINTS)));
    watch.lap('storing');
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
      parameters: {
        net: segment.net,
        solver: segment.solver,
        run: args.run,
        attempt,
        caffe: caffe.version,
        arithmetic,
      },
      outputs: { caffemodel: model!, solverstate: state!, 'curve.json': curve },
      counts: {
        segment: segment.segment,
        epoch: segment.epoch,
        iteration: segment.to,
        loss: log.loss!,
        rate: log.rate!,
        lostAttempts: earlier.attempts + (replaced ? replaced.lost.attempts + 1 : 0),
        lostIterations: earlier.iterations + (replaced ? replaced.lost.iterations + segment.to - segment.from : 0),
        lostSeconds: earlier.seconds + (replaced ? replaced.lost.seconds + replaced.seconds : 0),
        ...watch.seconds,
      },
      seconds: watch.all(),
    };
    return publish(services, segment.key, manifest, args.instead);
  });
}

/** Publishes the attempt's snapshot as the segment's, unless a faster attempt has published one already. */
async function publish(
  { store }: ActivityServices,
  key: string,
  manifest: Manifest,
  instead: string | null | undefined,
): Promise<SegmentResult> {
  const at = `${segmentPrefix(key)}/manifest.json`;
  const { created } = await putJson(store, at, manifest);
  const there = await readSegment(store, key);
  if (created) return { ...there!.result, reused: false };
  if (there === undefined || there.attempt === instead) {
    // Replaces a manifest that is unreadable or has an unusable snapshot.
    await putJson(store, at, manifest, { overwrite: true });
    for (const artifact of there ? [there.model, there.state, there.curve] : []) await store.remove(artifact.key);
    return { ...(await readSegment(store, key))!.result, reused: false };
  }
  for (const artifact of Object.values(manifest.outputs)) await store.remove(artifact.key);
  return { ...there.result, reused: true };
}

/** Puts the initial snapshot or weights into the folder. @returns the arguments that make Caffe start from them */
async function placeStart(
  services: ActivityServices,
  { previous, segment, training }: SegmentArgs,
  { from }: KeyedSegment,
  folder: string,
): Promise<string[]> {
  await mkdir(join(folder, 'snapshot'));
  if (previous === null) {
    if (segment !== 0) throw finalFailure('Defect', `Expected segment ${segment} to have one before it, got none`);
    if (training.weights === null) return [];
    await placeWeights(training.weights, services.env, join(folder, FILES.weights));
    return [`--weights=${FILES.weights}`];
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

/** Verifies Caffe's output, because a stopped run and one that could not write also exit with code 0. @throws CaffeError */
async function proveSuccess(log: TrainingLog, { to }: KeyedSegment, folder: string): Promise<void> {
  const files = pairFiles(to);
  const said = log.done && !log.stoppedEarly && files.every(file => log.snapshots.includes(file));
  if (!said || log.iteration !== to || log.loss === null || log.rate === null) {
    const end = log.stoppedEarly ? 'a run that was stopped' : 'no word of it in the log';
    throw new CaffeError(
      `Expected Caffe to end with a snapshot at iteration ${to}, got ${end} (last iteration ${log.iteration})`,
    );
  }
  const fault = await faultOfPair(folder, ...files, to);
  if (fault !== null)
    throw new CaffeError(`Expected a whole snapshot pair of iteration ${to}, but ${fault}: the disk may be full`);
}
