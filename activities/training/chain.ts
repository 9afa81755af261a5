/**
 * The chain of segments a training consists of. A segment trains once over one database; it starts from the snapshot pair of the
 * segment before and ends with one. Its key is the hash of all that goes into it, the key before included: so equal work has
 * equal keys, in every run, and a finished segment is never trained again.
 */
import { createHash } from 'node:crypto';

/** Raised by hand when the code of a segment gives other weights, or another form of curve, for the same input. */
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
  /** Iterations over the whole run: the segment does those after `from` up to `to`. */
  from: number;
  to: number;
  /** Of Caffe's random numbers: crops, mirrors, dropout, and the first weights. */
  seed: number;
}

/** Iterations of one epoch. */
export function iterationsPerEpoch({ databases, batch }: ChainSettings): number {
  return databases.reduce((sum, { records }) => sum + records / batch, 0);
}

/** The databases in the order of the given epoch, from 1. Every epoch has an order of its own. */
export function epochOrder({ databases, seed }: ChainSettings, epoch: number): ChainDatabase[] {
  const rank = new Map(databases.map(database => [database, digest(['order', seed, epoch, database.name])]));
  return databases.toSorted((a, b) => (rank.get(a)! < rank.get(b)! ? -1 : 1));
}

/** Any segment of the chain; it has no end of its own, so that a training can be extended. */
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
  /** Key of the segment before; null for the first. */
  previous: string | null;
  planned: PlannedSegment;
  net: string;
  solver: string;
  /** Checksum of the mean picture. */
  mean: string;
  /** Checksum of the weights to start from; null for random ones. */
  weights: string | null;
  /** Weights of the classes for each head; null without. */
  classWeights: readonly (readonly [number, number])[] | null;
}

/** 16 hex digits. The folder of the segment in the store is `stages/segment/<key>`. */
export function segmentKey({
  previous,
  planned,
  net,
  solver,
  mean,
  weights,
  classWeights,
}: SegmentIngredients): string {
  const database = planned.database.checksum;
  return digest([
    SEGMENT_RECIPE,
    previous,
    database,
    planned.from,
    planned.to,
    net,
    solver,
    mean,
    weights,
    classWeights,
  ]);
}

/** SHA-256 of a value's JSON, cut to 16 hex digits. */
export function digest(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 16);
}
