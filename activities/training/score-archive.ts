/** Scores unseen images by the network of a finished training. */
import { ApplicationFailure } from '@temporalio/activity';
import { getArtifact, putBytes } from '../../storage/artifacts.ts';
import { needManifest } from '../../storage/stage-outputs.ts';
import { type ArtifactStore, CorruptObject } from '../../storage/store.ts';
import type { Cards } from '../caffe/run-caffe.ts';
import type { ActivityServices } from '../dependencies.ts';
import { finalFailure } from '../failures.ts';
import { finishedOnce } from '../finished-work.ts';
import type { DatabasePlan } from '../labels/database-plan.ts';
import { readRecord } from '../run/records.ts';
import { judge } from './evaluate.ts';
import { readInputs } from './inputs.ts';
import { readSegment, segmentPrefix } from './segment-manifest.ts';
import type {
  FindSnapshotArgs,
  FoundSnapshot,
  JudgingProgress,
  ScoreDatabaseArgs,
  ScoredImages,
  SpoiltPair,
  TrainedSegments,
} from './types.ts';

/**
 * Returns the segments of a finished training, and its counts.
 * @param train `stages/train/<key>`
 * @throws CorruptObject; final `BadInput` if it is no finished training
 */
export async function readTrained(
  store: ArtifactStore,
  train: string,
): Promise<TrainedSegments & { counts: Record<string, number> }> {
  const { outputs, counts } = await needManifest(store, train);
  const listed = outputs['segments.json'];
  if (!listed) throw finalFailure('BadInput', `Expected ${train} to be a finished training in ${store.url}, got none`);
  const trained = JSON.parse((await getArtifact(store, listed)).toString('utf8')) as TrainedSegments;
  return { ...trained, counts };
}

/**
 * Finds the segment with the best snapshot of a finished training.
 * @throws CorruptObject if its network is missing from the store; final `BadInput` if the run is configured to keep none
 */
export async function findSnapshot(
  { store }: Pick<ActivityServices, 'store'>,
  args: FindSnapshotArgs,
): Promise<FoundSnapshot> {
  const { best: snapshot, counts } = await readTrained(store, args.train);
  const epoch = counts.bestEpoch!;
  const segment = await readSegment(store, snapshot);
  if (!segment || !(await store.head(segment.model.key))) {
    const expected = `Expected the network of ${args.name} after epoch ${epoch} under ${segmentPrefix(snapshot)} in ${store.url}`;
    const { retention } = (await readRecord(store, args.run))?.input ?? {};
    if (retention?.snapshots === 'none') {
      throw finalFailure(
        'BadInput',
        `${expected}, got none: the run's \`retention.snapshots\` is none, take another run`,
      );
    }
    throw corruptNetwork(store, args, snapshot, `${expected}, got none`);
  }
  return { snapshot, epoch };
}

/**
 * Writes `<prefix>/<training>-<database>.csv`: `image,version,p<k>…`, one line a record.
 * @throws CorruptObject if the stored network is missing or corrupt
 */
export async function scoreDatabase(
  services: ActivityServices,
  cards: Cards,
  args: ScoreDatabaseArgs,
  report: (progress: JudgingProgress) => void,
  signal: AbortSignal,
): Promise<ScoredImages> {
  const { store } = services;
  const { name: database } = args.database;
  const key = `${args.prefix}/${args.name}-${database}.csv`;
  const { records } = args.database;
  const artifactsOf = ({ scores }: ScoredImages) => [scores];
  return finishedOnce(store, key.replace(/csv$/, 'json'), artifactsOf, async () => {
    const own = await readInputs(services, args);
    const plan = JSON.parse((await getArtifact(store, args.plan)).toString('utf8')) as DatabasePlan;
    const inputs = { ...own, plan, databases: new Map([[database, args.database.database]]) };
    const judged = await judge(services, cards, inputs, {
      ...{ snapshot: args.snapshot, database, signal },
      onProgress: (done, of) => report({ split: args.name, database, done, of }),
    }).catch(error => {
      throw error instanceof ApplicationFailure && error.type === 'SpoiltPair' ? spoilt(store, args, error) : error;
    });
    const lines = judged.map(({ image, version, p }) => `${image},${version},${p.join(',')}\n`);
    const header = `image,version,${args.heads.map(k => `p${k}`).join(',')}\n`;
    return { scores: await putBytes(store, key, header + lines.join('')), records };
  });
}

/** Creates the error for an unusable network of a finished training. Its training stage must run again. */
export function corruptNetwork(
  store: ArtifactStore,
  { train }: Pick<FindSnapshotArgs, 'train'>,
  snapshot: string,
  message: string,
): CorruptObject {
  return new CorruptObject(store, `${segmentPrefix(snapshot)}/manifest.json`, message, [train]);
}

/** Converts `SpoiltPair` into CorruptObject: a scoring cannot train, so a corrupt network needs its run again. */
function spoilt(store: ArtifactStore, args: ScoreDatabaseArgs, { details }: ApplicationFailure): CorruptObject {
  const { why } = (details?.[0] ?? {}) as Partial<SpoiltPair>;
  const network = `the network of ${args.name} under ${segmentPrefix(args.snapshot)}`;
  return corruptNetwork(store, args, args.snapshot, `Expected ${network} as it was stored, but ${why}`);
}
