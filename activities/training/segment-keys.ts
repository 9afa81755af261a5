/**
 * Plans the chain of segments of a training. A segment trains once over one database; it starts from the snapshot of the previous
 * segment and ends with its own. Its key is the hash of all its inputs, including the previous key. So equal work has equal keys
 * in every run, and a finished segment is never trained again.
 */
import { createHash } from 'node:crypto';

/** Version to raise by hand when the code of a segment produces other weights, or another format of curve, for the same input. */
export const SEGMENT_RECIPE = 2;

export interface ChainDatabase {
  name: string;
  records: number;
  /** Size and checksum of the database. */
  checksum: string;
}

export interface ChainSettings {
  /** Training databases in the order of their names, each of whole batches. */
  databases: readonly ChainDatabase[];
  /** Records per iteration. */
  batch: number;
  seed: number;
}

export interface PlannedSegment {
  /** Number in the whole run, from 0. */
  segment: number;
  /** From 1. */
  epoch: number;
  database: ChainDatabase;
  /** Iterations, counted over the whole run: the segment runs those after `from` up to `to`. */
  from: number;
  to: number;
  /** Seed of Caffe's random numbers: crops, mirrors, dropout, and the initial weights. */
  seed: number;
}

/** Returns the number of iterations of one epoch. */
export function iterationsPerEpoch({ databases, batch }: ChainSettings): number {
  return databases.reduce((sum, { records }) => sum + records / batch, 0);
}

/** Returns the databases in the order of an epoch, counted from 1. Every epoch has its own order. */
export function epochOrder({ databases, seed }: ChainSettings, epoch: number): ChainDatabase[] {
  const rank = new Map(databases.map(database => [database, digest(['order', seed, epoch, database.name])]));
  return databases.toSorted((a, b) => (rank.get(a)! < rank.get(b)! ? -1 : 1));
}

/** Returns any segment of the chain, which has no end, so that a training can be extended. */
export function segmentAt(settings: ChainSettings, segment: number): PlannedSegment {
  const perEpoch = settings.databases.length;
  const epoch = Math.floor(segment / perEpoch) + 1;
  const order = epochOrder(settings, epoch);
  const place = segment % perEpoch;
  const iterations = ({ records }: ChainDatabase) => records / settings.batch;
  const before = order.slice(0, place).reduce((sum, database) => sum + iterations(database), 0);
  const from = (epoch - 1) * iterationsPerEpoch(settings) + before;
  const database = order[place]!;
  return {
    segment,
    epoch,
    database,
    from,
    to: from + iterations(database),
    seed: Number.parseInt(digest(['seed', settings.seed, segment]).slice(0, 7), 16),
  };
}

export interface SegmentIngredients {
  /** Key of the previous segment; null for the first. */
  previous: string | null;
  planned: PlannedSegment;
  net: string;
  solver: string;
  /** Checksum of the mean image. */
  mean: string;
  /** Checksum of the initial weights; null for random ones. */
  weights: string | null;
  /** Class weights by head; null without weighting. */
  classWeights: readonly (readonly [number, number])[] | null;
}

/** Returns the key, 16 hex digits. The folder of the segment in the store is `stages/segment/<key>`. */
export function segmentKey(ingredients: SegmentIngredients): string {
  const { previous, planned, net, solver, mean, weights, classWeights } = ingredients;
  const { database, from, to } = planned;
  return digest([SEGMENT_RECIPE, previous, database.checksum, from, to, net, solver, mean, weights, classWeights]);
}

/** Returns the SHA-256 of a value's JSON, truncated to 16 hex digits. */
export function digest(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 16);
}
