/** Stage 4: a network as a chain of segments, judged after each epoch. */

import { Context } from '@temporalio/activity';
import { trainingAt } from '../../config/forks.ts';
import { getArtifact, putBytes } from '../../storage/files.ts';
import { withHeartbeat } from '../heartbeat.ts';
import { TEST_DATABASE, trainingSample, VALIDATION_DATABASE } from '../labels/plan.ts';
import type { Fold } from '../labels/types.ts';
import type { ActivityServices } from '../services.ts';
import type { CurvePoint } from './caffe-log.ts';
import { Cards } from './cards.ts';
import { iterationsPerEpoch } from './chain.ts';
import { formatCurves, type SegmentCurve } from './curves.ts';
import { judgementKey, readJudgement } from './epoch-snapshots.ts';
import { evaluate } from './evaluation.ts';
import { renewEvents, storeJudgementEvents, storeSegmentEvents } from './event-folder.ts';
import { keyedSegment, originOf, readInputs } from './inputs.ts';
import { type JudgedRecord, judge } from './judge.ts';
import { measureJudgement, measureLosses, measureTraining } from './measured.ts';
import { Pace, type StoringTime } from './pace.ts';
import { probeNetwork } from './probe.ts';
import { dropPairs, hold, holdMore } from './retention.ts';
import { CaffeError } from './run-caffe.ts';
import { findSnapshot, scoreDatabase } from './score-archive.ts';
import { trainSegment } from './segment.ts';
import { readSegment } from './segment-record.ts';
import type {
  CollectCurvesArgs,
  EvaluateArgs,
  EvaluatedSnapshot,
  JudgingProgress,
  ScoreArgs,
  ScoredImages,
  SegmentProgress,
  SegmentResult,
  TrainingActivities,
  TrainingArgs,
  TrainingPlan,
  Turn,
} from './types.ts';

export function createTrainingActivities(services: ActivityServices): TrainingActivities {
  const { store } = services;
  const cards = new Cards(services);
  const storing: StoringTime = {};

  async function plan(args: TrainingArgs, signal: AbortSignal): Promise<TrainingPlan> {
    const inputs = await readInputs(store, args);
    const origin = await originOf(inputs, args);
    await probeNetwork(services, cards, inputs, args, signal);
    const segmentsPerEpoch = inputs.chain.databases.length;
    const { epochs } = trainingAt(args.training, args.heads, Number.POSITIVE_INFINITY);
    const done: SegmentResult[] = [];
    for (let n = 0; n < epochs * segmentsPerEpoch; n++) {
      const { key } = await keyedSegment(inputs, args, n, done.at(-1)?.key ?? null);
      const finished = await readSegment(store, key);
      if (!finished) break;
      done.push({ ...finished.result, reused: true });
    }
    await renewEvents(store, args, done, key => readJudgement(store, inputs, key));
    // What this training starts from must not be removed by another that has gone beyond it.
    await holdMore(
      store,
      args,
      done.slice(-2).map(({ key }) => key),
    );
    const iterations = epochs * iterationsPerEpoch(inputs.chain);
    return { iterations, epochs, segmentsPerEpoch, origin, done };
  }

  async function evaluateSnapshot(
    args: EvaluateArgs,
    report: (progress: JudgingProgress) => void,
    signal: AbortSignal,
  ): Promise<EvaluatedSnapshot> {
    const started = Date.now();
    const inputs = await readInputs(store, args);
    const file = judgementKey(inputs, args.snapshot);
    const known = await readJudgement(store, inputs, args.snapshot);
    if (known) return { ...known, reused: true };
    const judged = async (database: string, most?: number) => {
      const records = await judge(services, cards, inputs, {
        ...{ snapshot: args.snapshot, database, most, signal },
        onProgress: (done, of) => report({ split: args.name, database, done, of }),
      });
      return evaluate(records, args.heads);
    };
    const sample = trainingSample(inputs.plan);
    const evaluated: EvaluatedSnapshot = {
      epoch: args.epoch,
      snapshot: args.snapshot,
      ...(await judged(VALIDATION_DATABASE)),
      training: { records: sample.records, auc: (await judged(sample.database, sample.records)).auc },
      attempt: Context.current().info.attempt,
      at: new Date().toISOString(),
      seconds: (Date.now() - started) / 1000,
      reused: false,
    };
    const { created } = await store.put(file, Buffer.from(JSON.stringify(evaluated)));
    // On a graphics card another attempt's figures may differ in the last digits: one of the two counts, everywhere.
    return created ? evaluated : { ...(await readJudgement(store, inputs, args.snapshot))!, reused: true };
  }

  async function score(
    args: ScoreArgs,
    report: (progress: JudgingProgress) => void,
    signal: AbortSignal,
  ): Promise<ScoredImages> {
    const started = Date.now();
    const inputs = await readInputs(store, args);
    const lines = [`image,version,level,fold,${args.heads.map(k => `p${k}`).join(',')}\n`];
    for (const [database, fold] of [
      [VALIDATION_DATABASE, 'validation'],
      [TEST_DATABASE, 'test'],
    ] as const) {
      const records = await judge(services, cards, inputs, {
        snapshot: args.snapshot,
        database,
        onProgress: (done, of) => report({ split: args.name, database, done, of }),
        signal,
      });
      lines.push(...records.map(record => formatScore(record, fold)));
    }
    const scores = await putBytes(store, `${args.prefix}/scores.csv`, lines.join(''));
    return { scores, records: lines.length - 1, seconds: (Date.now() - started) / 1000 };
  }

  async function collect(args: CollectCurvesArgs) {
    const { prefix, heads, segments, evaluations, keep, drop = [] } = args;
    const curves: SegmentCurve[] = [];
    for (const key of segments) {
      const segment = await readSegment(store, key);
      if (!segment) throw new CaffeError(`Expected the segment ${key} in the store, got nothing: train it again`);
      const { epoch, iteration, lost } = segment.result;
      const points = JSON.parse((await getArtifact(store, segment.curve)).toString('utf8')) as CurvePoint[];
      curves.push({ key, epoch, iteration, attempt: lost.attempts + 1, points });
    }
    const table = await putBytes(store, `${prefix}/curves.csv`, formatCurves(heads, curves, evaluations));
    if (keep) await hold(store, args, keep);
    await dropPairs(store, drop);
    return table;
  }

  /** Nobody waits for it: a dealer that does not hear of it deals the next turn later. */
  function tellBegun(turn: Turn | undefined): void {
    if (!turn) return;
    const { dealer, ...whose } = turn;
    Context.current()
      .client.workflow.getHandle(dealer)
      .signal('started', whose)
      .catch(error => services.log.warn({ error: String(error) }, 'The dealer of turns did not hear of this one'));
  }

  return {
    planTraining: args => withHeartbeat((_report, signal) => plan(args, signal)),
    trainSegment: args => {
      tellBegun(args.turn);
      const { attempt, activityId, workflowExecution } = Context.current().info;
      const activity = `${workflowExecution?.runId}/${activityId}`;
      const trainer = { activity, number: attempt };
      return withHeartbeat<SegmentProgress, SegmentResult>(async (report, signal, foresee) => {
        const pace = new Pace(storing);
        foresee(() => pace.needs(Date.now()));
        const trained = await trainSegment(services, cards, args, trainer, measureTraining(report), signal, pace);
        measureLosses(trained);
        await storeSegmentEvents(store, args, trained);
        pace.stored(Date.now());
        return trained;
      });
    },
    evaluateSnapshot: args => {
      tellBegun(args.turn);
      return withHeartbeat<JudgingProgress, EvaluatedSnapshot>(async (report, signal) => {
        const judged = await evaluateSnapshot(args, report, signal);
        measureJudgement(args.heads, judged);
        await storeJudgementEvents(store, args, judged);
        return judged;
      });
    },
    scoreImages: args => withHeartbeat<JudgingProgress, ScoredImages>((report, signal) => score(args, report, signal)),
    collectCurves: args => withHeartbeat(() => collect(args)),
    findSnapshot: args => withHeartbeat(() => findSnapshot(services, args)),
    scoreDatabase: args =>
      withHeartbeat<JudgingProgress, ScoredImages>((report, signal) =>
        scoreDatabase(services, cards, args, report, signal),
      ),
  };
}

function formatScore({ image, version, stage, p }: JudgedRecord, fold: Fold): string {
  return `${image},${version},${stage},${fold},${p.join(',')}\n`;
}
