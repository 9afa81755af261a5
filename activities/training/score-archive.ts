/** Lets the networks of a finished training score pictures that it has never seen. */
import { ApplicationFailure } from '@temporalio/activity';
import { getArtifact, getJson, putBytes } from '../../storage/files.ts';
import type { Manifest } from '../../storage/manifest.ts';
import { finalFailure } from '../failures.ts';
import type { DatabasePlan } from '../labels/plan.ts';
import type { ActivityServices } from '../services.ts';
import type { Cards } from './cards.ts';
import { epochSnapshots, type GivenRates } from './epoch-snapshots.ts';
import { readInputs } from './inputs.ts';
import { judge } from './judge.ts';
import { readSegment, segmentPrefix } from './segment-record.ts';
import type {
  FindSnapshotArgs,
  FoundSnapshot,
  JudgingProgress,
  ScoreDatabaseArgs,
  ScoredImages,
  SpoiltPair,
} from './types.ts';

/**
 * The segment whose snapshot a finished training has chosen. The chain of keys leads to it: each follows from the one before and
 * from what the run's input says.
 * @throws final `BadInput` when its network is no longer in the store
 */
export async function findSnapshot(
  { store }: Pick<ActivityServices, 'store'>,
  args: FindSnapshotArgs,
): Promise<FoundSnapshot> {
  const manifest = await getJson<Manifest>(store, `${args.train}/manifest.json`);
  const epoch = manifest?.counts.bestEpoch;
  if (!manifest || epoch === undefined) {
    throw finalFailure('BadInput', `Expected ${args.train} to be a finished training in ${store.url}, got none`);
  }
  const { rates } = manifest.parameters as { rates?: GivenRates };
  const inputs = await readInputs(store, args);
  const { snapshot } = (await epochSnapshots(store, inputs, args, epoch, rates)).at(-1)!;
  const segment = await readSegment(store, snapshot);
  if (!segment || !(await store.head(segment.model.key))) {
    throw finalFailure(
      'BadInput',
      `Expected the network of ${args.name} after epoch ${epoch} under ${segmentPrefix(snapshot)} in ${store.url}, got none: train it again with --fresh`,
    );
  }
  return { snapshot, epoch };
}

/**
 * Writes `<prefix>/<training>-<database>.csv`: `image,version,p<k>…`, one line a record.
 * @throws final `BadInput` when the network in the store is not the one that was stored
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
  // Another attempt may have ended without its answer being heard.
  if (await store.head(key)) return { scores: await putBytes(store, key, ''), records };
  const own = await readInputs(store, args);
  const plan = JSON.parse((await getArtifact(store, args.plan)).toString('utf8')) as DatabasePlan;
  const inputs = { ...own, plan, databases: new Map([[database, args.database.database]]) };
  const judged = await judge(services, cards, inputs, {
    ...{ snapshot: args.snapshot, database, signal },
    onProgress: (done, of) => report({ split: args.name, database, done, of }),
  }).catch(error => {
    throw error instanceof ApplicationFailure && error.type === 'SpoiltPair' ? spoilt(args, error) : error;
  });
  const lines = judged.map(({ image, version, p }) => `${image},${version},${p.join(',')}\n`);
  const header = `image,version,${args.heads.map(k => `p${k}`).join(',')}\n`;
  return { scores: await putBytes(store, key, header + lines.join('')), records };
}

/** Nobody trains here: a network that is spoilt needs its run again. */
function spoilt({ name, snapshot }: ScoreDatabaseArgs, { details }: ApplicationFailure): ApplicationFailure {
  const { why } = (details?.[0] ?? {}) as Partial<SpoiltPair>;
  return finalFailure(
    'BadInput',
    `Expected the network of ${name} under ${segmentPrefix(snapshot)} as it was stored, but ${why}: train it again with --fresh`,
  );
}
