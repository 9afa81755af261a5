/** Plans the records of each database, and their order. */
import { VERSIONS, type Version } from '../../config/input.ts';
import { seededShuffle } from '../../lib/random.ts';
import { fileName } from '../images/shard-tar.ts';
import type { FoldRow } from './folds.ts';
import type { Fold } from './types.ts';

/** One version of one eye, as a database holds it. */
export interface PlannedRecord {
  image: string;
  version: Version;
  /** Grade, 0–4. */
  stage: number;
}

/** Content of `plan.json`. */
export interface DatabasePlan {
  schemaVersion: 1;
  /** Records per iteration. Every training database holds a multiple of it. */
  batch: number;
  /**
   * Records by database, in the order `train-00`, `train-01`, …, `val`, `test`. A record is a line `10_left.a.png 3`, as convert_imageset
   * reads it.
   */
  databases: Record<string, string[]>;
}

export interface PlanOptions {
  /** Versions of each image, in order. */
  versions: readonly Version[];
  batch: number;
  segmentsPerEpoch: number;
  seed: number;
}

export const VALIDATION_DATABASE = 'val';
export const TEST_DATABASE = 'test';

export function isTrainingDatabase(name: string): boolean {
  return /^train-\d+$/.test(name);
}

/**
 * Shuffles the training records once and deals them into databases of whole batches. Caffe always starts a database at its first record.
 * So only whole passes in whole batches use every record equally often. Validation and test records keep the order of their eyes.
 * @returns `trimmed`: training records that fill no batch and are left out
 * @throws RangeError when the training fold fills no batch, or the validation or test fold is empty
 */
export function planDatabases(rows: readonly FoldRow[], options: PlanOptions): { plan: DatabasePlan; trimmed: number } {
  const { batch, segmentsPerEpoch, seed } = options;
  const shuffled = seededShuffle(recordsOf(rows, 'train', options.versions), seed, 'train', fileName);
  const batches = Math.floor(shuffled.length / batch);
  if (batches === 0) {
    throw new RangeError(
      `Expected at least ${batch} training records to fill a batch, got ${shuffled.length}: lower \`training.batch\` or use more pictures`,
    );
  }
  const count = Math.min(segmentsPerEpoch, batches);
  const databases: Record<string, string[]> = {};
  for (let i = 0; i < count; i++) {
    const [from, to] = [i, i + 1].map(n => Math.floor((n * batches) / count) * batch) as [number, number];
    databases[numbered('train', i, count)] = shuffled.slice(from, to).map(formatRecord);
  }
  for (const [name, fold] of [
    [VALIDATION_DATABASE, 'validation'],
    [TEST_DATABASE, 'test'],
  ] as const) {
    const records = recordsOf(rows, fold, options.versions);
    if (records.length === 0)
      throw new RangeError(
        `Expected pictures in the ${fold} fold, got none: raise \`folds.${fold}\` or use more pictures`,
      );
    databases[name] = records.map(formatRecord);
  }
  return { plan: { schemaVersion: 1, batch, databases }, trimmed: shuffled.length - batches * batch };
}

/** Bounds of the sample. Fewer records make an AUC that says little; more make it no more accurate in any visible digit. */
const [LEAST_SAMPLED, MOST_SAMPLED] = [256, 4_096];
/** Evaluating a record costs about half of training on it. So an epoch takes a thirtieth longer, except for a small set. */
const SHARE_SAMPLED = 1 / 16;

/**
 * Selects the training records on which a snapshot is evaluated beside the validation fold. They are the first records of the
 * first training database. They are as good as a random sample, since all records were shuffled.
 */
export function trainingSample({ databases }: Pick<DatabasePlan, 'databases'>): { database: string; records: number } {
  const names = Object.keys(databases).filter(isTrainingDatabase).sort();
  const lengths = names.map(name => databases[name]!.length);
  const all = lengths.reduce((sum, length) => sum + length, 0);
  const wanted = Math.max(LEAST_SAMPLED, Math.ceil(all * SHARE_SAMPLED));
  return { database: names[0]!, records: Math.min(wanted, MOST_SAMPLED, lengths[0]!) };
}

export function parseRecord(line: string): PlannedRecord {
  const match = /^(.+)\.([a-z]+)\.png ([0-4])$/.exec(line);
  const version = VERSIONS.find(candidate => candidate === match?.[2]);
  if (!match || !version) throw new Error(`Expected a record like \`10_left.a.png 3\`, got \`${line}\``);
  return { image: match[1]!, version, stage: Number(match[3]) };
}

function formatRecord(record: PlannedRecord): string {
  return `${fileName(record)} ${record.stage}`;
}

function recordsOf(rows: readonly FoldRow[], fold: Fold, versions: readonly Version[]): PlannedRecord[] {
  return rows
    .filter(row => row.fold === fold)
    .flatMap(({ image, stage, version }) =>
      (version === null ? versions : [version]).map(one => ({ image, version: one, stage })),
    );
}

/** Images of a database to score. They bound the work that a lost machine costs and the space that a worker needs. */
const PICTURES = 2048;

/**
 * Plans databases `score-00` and up, each with all versions of its images in their order. A record needs a grade, which these
 * images do not have. It is 0 in all of them, and is never read.
 */
export function planScoring(images: readonly string[], versions: readonly Version[], batch: number): DatabasePlan {
  const count = Math.ceil(images.length / PICTURES);
  const databases = Array.from({ length: count }, (_, n) => [
    numbered('score', n, count),
    images
      .slice(n * PICTURES, (n + 1) * PICTURES)
      .flatMap(image => versions.map(version => `${fileName({ image, version })} 0`)),
  ]);
  return { schemaVersion: 1, batch, databases: Object.fromEntries(databases) };
}

/** Returns names such as `train-00`, with as many digits as `count` databases need. */
function numbered(name: string, n: number, count: number): string {
  return `${name}-${String(n).padStart(Math.max(2, String(count - 1).length), '0')}`;
}
