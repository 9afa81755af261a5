/** Parses the labels: `image,level`, one eye a row. Pure. */
import { parse } from 'csv-parse/sync';
import { quote, reasonOf } from '../../lib/quote.ts';
import { finalFailure } from '../failures.ts';

export interface Labels {
  /** Normalized CSV: no quotes, `\n` at the end of each line, rows in the order of the file. */
  csv: string;
  rows: number;
  /** Grade by image, in the order of the file. */
  levels: Map<string, number>;
  /** Rows of each grade 0–4. */
  stages: number[];
}

const HEADER = ['image', 'level'];
const STAGES = 5;

/**
 * Parses and checks the table of labels.
 * @param from the file's name, for errors
 * @throws `BadLabels` naming the line: wrong header, wrong number of fields, a name twice, a level that is no integer from 0 to 4
 */
export function parseLabels(bytes: Uint8Array, from: string): Labels {
  const fail = (line: number, expected: string, got: string) =>
    finalFailure('BadLabels', `Expected ${expected} in line ${line} of ${from}, got ${got}`);
  const [header, ...rows] = readRows(bytes, from);
  if (!header || header.record.join() !== HEADER.join()) {
    throw fail(
      header?.line ?? 1,
      `the header \`${HEADER}\``,
      header ? `\`${quote(header.record.join())}\`${columnsToKeep(header.record)}` : 'an empty file',
    );
  }
  const lineOf = new Map<string, number>();
  const levels = new Map<string, number>();
  const stages = new Array<number>(STAGES).fill(0);
  for (const { record, line } of rows) {
    const [image, level] = record;
    if (record.length !== HEADER.length) throw fail(line, 'an image and its level', `${record.length} fields`);
    if (!/^[\w.-]+$/.test(image!)) throw fail(line, 'the name of an image', `\`${quote(image)}\``);
    if (!/^[0-4]$/.test(level!)) throw fail(line, 'a level that is an integer from 0 to 4', `\`${quote(level)}\``);
    const before = lineOf.get(image!);
    if (before !== undefined) throw fail(line, `${quote(image)} once`, `it again after line ${before}`);
    lineOf.set(image!, line);
    levels.set(image!, Number(level));
    stages[Number(level)]! += 1;
  }
  if (rows.length === 0) throw fail(header.line + 1, 'at least one image with its level', 'the end of the file');
  const csv = `${HEADER}\n${rows.map(({ record }) => `${record}\n`).join('')}`;
  return { csv, rows: rows.length, levels, stages };
}

/** Returns advice for a table with more columns: the published solution has a third one. */
function columnsToKeep(header: readonly string[]): string {
  return HEADER.every((name, n) => header[n] === name) ? ': keep only its first two columns' : '';
}

function readRows(bytes: Uint8Array, from: string): { record: string[]; line: number }[] {
  try {
    const rows = parse(bytes, { bom: true, info: true, relaxColumnCount: true, skipEmptyLines: true, trim: true });
    return (rows as unknown as { record: string[]; info: { lines: number } }[]).map(({ record, info }) => ({
      record,
      line: info.lines,
    }));
  } catch (error) {
    throw finalFailure('BadLabels', `Expected ${from} to be CSV, got ${reasonOf(error)}`);
  }
}
