/** Plans which record lies in which database, and in what order. */
import { VERSIONS, type Version } from '../../config/input.ts';
import type { FoldRow } from './folds.ts';
import { seededShuffle } from './seeded.ts';
import type { Fold } from './types.ts';

/** One version of one eye, as a database holds it. */
export interface PlannedRecord {
  image: string;
  version: Version;
  /** 0–4 */
  stage: number;
}

/** `plan.json` */
export interface DatabasePlan {
  schemaVersion: 1;
  /** Records per iteration; every training database holds a multiple of it. */
  batch: number;
  /** Names in order: `train-00`, `train-01`, …, `val`, `test`. A record is a line `10_left.a.png 3`, as convert_imageset reads it. */
  databases: Record<string, string[]>;
}

export interface PlanOptions {
  /** Versions of each picture, in order. */
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
 * Shuffles the training records once and deals them into databases of whole batches, because Caffe starts a database at its first
 * record whenever it starts: only whole passes in whole batches use every record equally often. Validation and test records keep
 * the order of their eyes.
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
  const width = Math.max(2, String(count - 1).length);
  const databases: Record<string, string[]> = {};
  for (let i = 0; i < count; i++) {
    const [from, to] = [i, i + 1].map(n => Math.floor((n * batches) / count) * batch) as [number, number];
    databases[`train-${String(i).padStart(width, '0')}`] = shuffled.slice(from, to).map(formatRecord);
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

/** Fewer make an AUC that says little, more make one no truer that anybody could see. */
const [LEAST_SAMPLED, MOST_SAMPLED] = [256, 4_096];
/** Judging a record costs about half of training on it: so an epoch takes a thirtieth longer, but for a small set. */
const SHARE_SAMPLED = 1 / 16;

/**
 * Training records that a snapshot is judged on beside the validation fold: the first ones of the first training database, which are
 * as good as drawn, since all were shuffled.
 */
export function trainingSample({ databases }: Pick<DatabasePlan, 'databases'>): { database: string; records: number } {
  const names = Object.keys(databases).filter(isTrainingDatabase).sort();
  const lengths = names.map(name => databases[name]!.length);
  const all = lengths.reduce((sum, length) => sum + length, 0);
  const wanted = Math.max(LEAST_SAMPLED, Math.ceil(all * SHARE_SAMPLED));
  return { database: names[0]!, records: Math.min(wanted, MOST_SAMPLED, lengths[0]!) };
}

/** `10_left.a.png`: the name in shards, databases and lists. */
export function fileName({ image, version }: { image: string; version: Version }): string {
  return `${image}.${version}.png`;
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
