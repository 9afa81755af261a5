/** The CSV files that the regression reads and writes. */
import { parse } from 'csv-parse/sync';
import { FOLDS, type Fold } from '../labels/types.ts';
import { CURVES_HEADER } from '../training/curves.ts';
import { type FoldRow, InconsistentScores, type ScoreTable } from './eyes.ts';
import type { PredictedEye } from './fit.ts';
import type { NearDuplicate } from './near-duplicates.ts';
import type { SuspectLabel } from './suspect-labels.ts';

/** A point of curves.csv. */
export interface CurvePoint {
  split: string;
  epoch: number;
  iteration: number;
  metric: string;
  value: number;
  /** Which attempt at the segment, or at judging it, this is from: above 1 the ones before were cut short. */
  attempt: number;
}

type Row = Record<string, string>;

/** folds.csv: `image,patient,level,fold`, and `version` for `folds.unit: record`. */
export function parseFolds(csv: Uint8Array): FoldRow[] {
  return rows(csv).map(row => ({
    image: text(row, 'image', 'folds.csv'),
    patient: text(row, 'patient', 'folds.csv'),
    level: level(row, 'folds.csv'),
    fold: fold(row, 'folds.csv'),
    version: row.version ? row.version : null,
  }));
}

/**
 * scores.csv: `image,version,level,fold` and a column `p<k>` for each split of the training.
 * @param name of the file in error messages
 */
export function parseScores(csv: Uint8Array, name: string): ScoreTable {
  const records = rows(csv);
  const columns = Object.keys(records[0] ?? {}).filter(column => /^p[0-3]$/.test(column));
  return {
    name,
    splits: columns.map(column => Number(column.slice(1))),
    rows: records.map(row => ({
      image: text(row, 'image', name),
      version: text(row, 'version', name),
      level: level(row, name),
      fold: fold(row, name),
      p: columns.map(column => probability(row, column, name)),
    })),
  };
}

/** `image,level,fold,p0,p1,p2,p3,expected,predicted`, with `version` after `image` where there is one. Numbers in full. */
export function formatPredictions(eyes: readonly PredictedEye[]): string {
  const versions = eyes.some(eye => eye.version !== null);
  const header = `image${versions ? ',version' : ''},level,fold,p0,p1,p2,p3,expected,predicted\n`;
  const lines = eyes.map(
    eye =>
      `${eye.image}${versions ? `,${eye.version}` : ''},${eye.level},${eye.fold},${eye.p.join(',')},${eye.expected},${eye.predicted}\n`,
  );
  return header + lines.join('');
}

/** What the report needs of predictions.csv. */
export type ReadPrediction = Omit<PredictedEye, 'patient' | 'spread' | 'first' | 'versions'>;

export function parsePredictions(csv: Uint8Array): ReadPrediction[] {
  const name = 'predictions.csv';
  return rows(csv).map(row => ({
    image: text(row, 'image', name),
    version: row.version ? row.version : null,
    level: level(row, name),
    fold: fold(row, name) as ReadPrediction['fold'],
    p: ['p0', 'p1', 'p2', 'p3'].map(column => probability(row, column, name)),
    expected: Number(row.expected),
    predicted: Number(row.predicted),
  }));
}

/** `rank,image,level,fold,seen,tail,p0,p1,p2,p3,expected,predicted`, with `version` after `image` where there is one. */
export function formatSuspects(suspects: readonly SuspectLabel[], versions: boolean): string {
  const header = `rank,image${versions ? ',version' : ''},level,fold,seen,tail,p0,p1,p2,p3,expected,predicted\n`;
  const lines = suspects.map(
    eye =>
      `${eye.rank},${eye.image}${versions ? `,${eye.version}` : ''},${eye.level},${eye.fold},${eye.seen},${eye.tail},${eye.p.join(',')},${eye.expected},${eye.predicted}\n`,
  );
  return header + lines.join('');
}

export function parseSuspects(csv: Uint8Array): SuspectLabel[] {
  const name = 'suspect-labels.csv';
  return rows(csv).map(row => ({
    rank: Number(row.rank),
    image: text(row, 'image', name),
    version: row.version ? row.version : null,
    level: level(row, name),
    fold: fold(row, name) as SuspectLabel['fold'],
    seen: row.seen === 'more' ? 'more' : 'less',
    tail: Number(row.tail),
    p: ['p0', 'p1', 'p2', 'p3'].map(column => probability(row, column, name)),
    expected: Number(row.expected),
    predicted: Number(row.predicted),
  }));
}

/** `distance` and, of each of the two, image, patient, level and folds; several folds of one eye (`folds.unit: record`) joined by `+`. */
export function formatNearDuplicates(pairs: readonly NearDuplicate[]): string {
  const of = ({ image, patient, level, folds }: NearDuplicate['a']) =>
    `${image},${patient},${level},${folds.join('+')}`;
  const header = 'distance,image,patient,level,fold,other_image,other_patient,other_level,other_fold\n';
  return header + pairs.map(({ distance, a, b }) => `${distance},${of(a)},${of(b)}\n`).join('');
}

export function parseNearDuplicates(csv: Uint8Array): NearDuplicate[] {
  const name = 'near-duplicates.csv';
  const side = (row: Row, prefix: string): NearDuplicate['a'] => ({
    image: text(row, `${prefix}image`, name),
    patient: text(row, `${prefix}patient`, name),
    level: Number(text(row, `${prefix}level`, name)),
    folds: text(row, `${prefix}fold`, name).split('+') as Fold[],
  });
  return rows(csv).map(row => ({ distance: Number(row.distance), a: side(row, ''), b: side(row, 'other_') }));
}

/** One table of the curves of several trainings. */
export function joinCurves(tables: readonly Uint8Array[]): string {
  const lines = tables.flatMap(table => {
    const [header, ...body] = Buffer.from(table).toString('utf8').trimEnd().split(/\r?\n/);
    if (header !== CURVES_HEADER)
      throw new InconsistentScores(`Expected ${CURVES_HEADER} in curves.csv, got ${header}`);
    return body;
  });
  return `${[CURVES_HEADER, ...lines].join('\n')}\n`;
}

export function parseCurves(csv: string): CurvePoint[] {
  return rows(Buffer.from(csv)).map(row => ({
    split: row.split ?? '',
    epoch: Number(row.epoch),
    iteration: Number(row.iteration),
    metric: row.metric ?? '',
    value: row.value === '' ? Number.NaN : Number(row.value),
    attempt: Number(row.attempt),
  }));
}

function rows(csv: Uint8Array): Row[] {
  return parse(Buffer.from(csv), { columns: true, skip_empty_lines: true, bom: true }) as Row[];
}

function text(row: Row, column: string, file: string): string {
  const value = row[column];
  if (!value) throw new InconsistentScores(`Expected a column ${column} with a value in ${file}, got nothing`);
  return value;
}

function level(row: Row, file: string): number {
  const value = text(row, 'level', file);
  if (!/^[0-4]$/.test(value)) throw new InconsistentScores(`Expected a stage from 0 to 4 in ${file}, got ${value}`);
  return Number(value);
}

function fold(row: Row, file: string): Fold {
  const value = text(row, 'fold', file);
  if (!FOLDS.includes(value as Fold)) {
    throw new InconsistentScores(`Expected one of ${FOLDS.join(', ')} as fold in ${file}, got ${value}`);
  }
  return value as Fold;
}

function probability(row: Row, column: string, file: string): number {
  const value = Number(text(row, column, file));
  if (!(value >= 0 && value <= 1)) {
    throw new InconsistentScores(`Expected ${column} of ${row.image} in ${file} to be from 0 to 1, got ${row[column]}`);
  }
  return value;
}
