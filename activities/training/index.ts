/** Activities of stage 4, which trains a network as a chain of segments and evaluates it after each epoch. */
import { Context } from '@temporalio/activity';
import { trainingAt } from '../../config/forks.ts';
import { putBytes } from '../../storage/artifacts.ts';
import { getSoundJson } from '../../storage/documents.ts';
import { Cards } from '../caffe/run-caffe.ts';
import type { ActivityServices } from '../dependencies.ts';
import { finalFailure } from '../failures.ts';
import { finishedOnce } from '../finished-work.ts';
import { withHeartbeats } from '../heartbeat.ts';
import { TEST_DATABASE, trainingSample, VALIDATION_DATABASE } from '../labels/database-plan.ts';
import { count, gauge } from '../metrics.ts';
import { formatCurves, type SegmentCurve } from './curves.ts';
import { judgementKey, segmentKeys } from './epoch-snapshots.ts';
import { evaluate, judge } from './evaluate.ts';
import { keyedSegment, originOf, readInputs } from './inputs.ts';
import { findSnapshot, scoreDatabase } from './score-archive.ts';
import { trainSegment } from './segment.ts';
import { iterationsPerEpoch } from './segment-keys.ts';
import { pruneSnapshots, readSegment } from './segment-manifest.ts';
import { readCurve } from './snapshot.ts';
import { renewEvents, storeJudgementEvents, storeSegmentEvents } from './tensorboard.ts';
import type {
  EvaluatedSnapshot,
  JudgingProgress,
  SegmentResult,
  TrainedSegments,
  TrainingActivities,
} from './types.ts';
import { probeNetwork } from './validate-network.ts';

type Reporter = (progress: JudgingProgress) => void;

export function createTrainingActivities(services: ActivityServices): TrainingActivities {
  const { store } = services;
  const cards = new Cards(services);

  return withHeartbeats<TrainingActivities>({
    async planTraining(args, _report, signal) {
      const inputs = await readInputs(services, args);
      const origin = await originOf(inputs);
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
      const judgementOf = (key: string) => getSoundJson<EvaluatedSnapshot>(store, judgementKey(inputs, key));
      await renewEvents(store, args, done, judgementOf);
      const iterations = epochs * iterationsPerEpoch(inputs.chain);
      return { iterations, epochs, segmentsPerEpoch, origin, done: done.length };
    },

    async scoreImages(args, report: Reporter, signal) {
      const started = Date.now();
      const inputs = await readInputs(services, args);
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
        lines.push(
          ...records.map(({ image, version, stage, p }) => `${image},${version},${stage},${fold},${p.join(',')}\n`),
        );
      }
      const scores = await putBytes(store, `${args.prefix}/scores.csv`, lines.join(''));
      return { scores, records: lines.length - 1, seconds: (Date.now() - started) / 1000 };
    },

    async locateSegment({ key, segments: count, rates, ...args }) {
      const keys = await segmentKeys(await readInputs(services, args), args, count, rates);
      const segment = keys.indexOf(key);
      if (segment < 0)
        throw finalFailure('Defect', `Expected segment ${key} among the ${count} of ${args.name}, got none`);
      const lost = (await readSegment(store, key))?.result.lost ?? { attempts: 0, iterations: 0, seconds: 0 };
      return { segment, previous: keys[segment - 1] ?? null, lost };
    },

    async collectCurves({ segments: finished, rates, evaluations, best, drop, ...args }) {
      const { run, prefix, heads } = args;
      const segments = await segmentKeys(await readInputs(services, args), args, finished, rates);
      const curves: SegmentCurve[] = [];
      for (const key of segments) {
        const { segment, points } = await readCurve(services, key);
        const { epoch, iteration, lost } = segment.result;
        curves.push({ key, epoch, iteration, attempt: lost.attempts + 1, points });
      }
      const trained: TrainedSegments = { segments, best };
      const outputs = {
        'curves.csv': await putBytes(store, `${prefix}/curves.csv`, formatCurves(heads, curves, evaluations)),
        'segments.json': await putBytes(store, `${prefix}/segments.json`, JSON.stringify(trained)),
      };
      await pruneSnapshots(store, run, drop);
      return outputs;
    },

    async trainSegment(args, report, signal) {
      const trained = await trainSegment(services, cards, args, report, signal);
      count('lostIterations', trained.reused ? 0 : trained.lost.iterations);
      count('lostSeconds', trained.reused ? 0 : trained.lost.seconds);
      await storeSegmentEvents(store, args, trained);
      return trained;
    },

    async evaluateSnapshot(args, report: Reporter, signal) {
      const started = Date.now();
      const inputs = await readInputs(services, args);
      const judged = async (database: string, most?: number) => {
        const records = await judge(services, cards, inputs, {
          ...{ snapshot: args.snapshot, database, most, signal },
          onProgress: (done, of) => report({ split: args.name, database, done, of }),
        });
        return evaluate(records, args.heads);
      };
      const sample = trainingSample(inputs.plan);
      // On a GPU, the metrics of two attempts may differ in the last digits. The stored ones count everywhere.
      const key = judgementKey(inputs, args.snapshot);
      const evaluated = await finishedOnce<Omit<EvaluatedSnapshot, 'reused'>>(
        store,
        key,
        () => [],
        async () => ({
          epoch: args.epoch,
          snapshot: args.snapshot,
          ...(await judged(VALIDATION_DATABASE)),
          training: { records: sample.records, auc: (await judged(sample.database, sample.records)).auc },
          attempt: Context.current().info.attempt,
          at: new Date().toISOString(),
          seconds: (Date.now() - started) / 1000,
        }),
      );
      for (const [n, k] of args.heads.entries()) {
        const auc = evaluated.auc[n];
        if (typeof auc === 'number') gauge('auc', auc, { k });
      }
      await storeJudgementEvents(store, args, evaluated);
      return evaluated;
    },

    findSnapshot: args => findSnapshot(services, args),
    scoreDatabase: (args, report, signal) => scoreDatabase(services, cards, args, report, signal),
  });
}
