/** Parses and formats the CSV files of the regression. */
import { parse } from 'csv-parse/sync';
import { quote } from '../../lib/quote.ts';
import { FOLDS, type Fold } from '../labels/types.ts';
import { CURVES_HEADER } from '../training/curves.ts';
import { type FoldRow, InconsistentScores, type ScoreTable } from './eyes.ts';
import type { PredictedEye } from './fit.ts';
import type { NearDuplicate } from './near-duplicates.ts';
import type { SuspectLabel } from './suspect-labels.ts';

/** File names of two lists under the stage's prefix. */
export const SUSPECTS = 'suspect-labels.csv';
export const DUPLICATES = 'near-duplicates.csv';

/** Line of curves.csv. */
export interface CurvePoint {
  split: string;
  epoch: number;
  iteration: number;
  metric: string;
  value: number;
  /** Attempt at the segment, or at its evaluation, that gave the value. Above 1, earlier attempts were interrupted. */
  attempt: number;
}

type Row = Record<string, string>;

/** Parses folds.csv: `image,patient,level,fold`, and `version` for `folds.unit: record`. */
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
 * Parses scores.csv: `image,version,level,fold` and a column `p<k>` for each split of the training.
 * @param name file name for error messages
 */
export function parseScores(csv: Uint8Array, name: string): ScoreTable {
  const records = rows(csv);
  const columns = scoreColumns(records);
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

/**
 * Formats predictions.csv: `image,level,fold,p0,p1,p2,p3,expected,predicted`, with `version` after `image` where there is one. Numbers
 * have full precision.
 */
export function formatPredictions(eyes: readonly PredictedEye[]): string {
  const versions = eyes.some(eye => eye.version !== null);
  const header = `image${versions ? ',version' : ''},level,fold,p0,p1,p2,p3,expected,predicted\n`;
  return header + eyes.map(eye => `${nameOf(eye, versions)},${predictionOf(eye)}\n`).join('');
}

const nameOf = ({ image, version, level, fold }: ReadPrediction, versions: boolean) =>
  `${image}${versions ? `,${version}` : ''},${level},${fold}`;
const predictionOf = ({ p, expected, predicted }: ReadPrediction) => `${p.join(',')},${expected},${predicted}`;

/** Line of predictions.csv. */
export type ReadPrediction = Omit<PredictedEye, 'patient' | 'spread' | 'first' | 'versions'>;

export function parsePredictions(csv: Uint8Array): ReadPrediction[] {
  return rows(csv).map(row => prediction(row, 'predictions.csv'));
}

function prediction(row: Row, name: string): ReadPrediction {
  return {
    image: text(row, 'image', name),
    version: row.version ? row.version : null,
    level: level(row, name),
    fold: fold(row, name) as ReadPrediction['fold'],
    p: ['p0', 'p1', 'p2', 'p3'].map(column => probability(row, column, name)),
    expected: Number(row.expected),
    predicted: Number(row.predicted),
  };
}

/** Formats `rank,image,level,fold,seen,tail,p0,p1,p2,p3,expected,predicted`, with `version` after `image` where there is one. */
export function formatSuspects(suspects: readonly SuspectLabel[], versions: boolean): string {
  const header = `rank,image${versions ? ',version' : ''},level,fold,seen,tail,p0,p1,p2,p3,expected,predicted\n`;
  const lines = suspects.map(
    eye => `${eye.rank},${nameOf(eye, versions)},${eye.seen},${eye.tail},${predictionOf(eye)}\n`,
  );
  return header + lines.join('');
}

export function parseSuspects(csv: Uint8Array): SuspectLabel[] {
  return rows(csv).map(row => ({
    ...prediction(row, 'suspect-labels.csv'),
    rank: Number(row.rank),
    seen: row.seen === 'more' ? 'more' : 'less',
    tail: Number(row.tail),
  }));
}

/**
 * Formats `distance`, then image, patient, level and folds of both images. Several folds of one eye (`folds.unit: record`) are joined
 * by `+`.
 */
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

/** Joins the curves.csv of several trainings into one table. @throws InconsistentScores when a header differs */
export function joinCurves(tables: readonly Uint8Array[]): string {
  const lines = tables.flatMap(table => {
    const [header, ...body] = Buffer.from(table).toString('utf8').trimEnd().split(/\r?\n/);
    if (header !== CURVES_HEADER)
      throw new InconsistentScores(`Expected ${CURVES_HEADER} in curves.csv, got ${quote(header)}`);
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

/** Returns the names of the columns `p<k>` of a table of scores. */
export function scoreColumns(records: readonly Row[]): string[] {
  return Object.keys(records[0] ?? {}).filter(column => /^p[0-3]$/.test(column));
}

export function rows(csv: Uint8Array): Row[] {
  return parse(Buffer.from(csv), { columns: true, skip_empty_lines: true, bom: true }) as Row[];
}

function text(row: Row, column: string, file: string): string {
  const value = row[column];
  if (!value) throw new InconsistentScores(`Expected a column ${column} with a value in ${file}, got nothing`);
  return value;
}

function level(row: Row, file: string): number {
  const value = text(row, 'level', file);
  if (!/^[0-4]$/.test(value))
    throw new InconsistentScores(`Expected a stage from 0 to 4 in ${file}, got ${quote(value)}`);
  return Number(value);
}

function fold(row: Row, file: string): Fold {
  const value = text(row, 'fold', file);
  if (!FOLDS.includes(value as Fold)) {
    throw new InconsistentScores(`Expected one of ${FOLDS.join(', ')} as fold in ${file}, got ${quote(value)}`);
  }
  return value as Fold;
}

function probability(row: Row, column: string, file: string): number {
  const value = Number(text(row, column, file));
  if (!(value >= 0 && value <= 1)) {
    throw new InconsistentScores(
      `Expected ${column} of ${quote(row.image)} in ${file} to be from 0 to 1, got ${quote(row[column])}`,
    );
  }
  return value;
}
