/** The labels: `image,level`, one eye a row. Pure. */
import { parse } from 'csv-parse/sync';
import { finalFailure } from '../failures.ts';

export interface Labels {
  /** Normalised: no quotes, `\n` at each line's end, rows in the order of the file. */
  csv: string;
  rows: number;
  /** Rows per stage 0–4. */
  stages: number[];
}

const HEADER = ['image', 'level'];
const STAGES = 5;

/**
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
      header ? `\`${clip(header.record.join())}\`` : 'an empty file',
    );
  }
  const lineOf = new Map<string, number>();
  const stages = new Array<number>(STAGES).fill(0);
  for (const { record, line } of rows) {
    const [image, level] = record;
    if (record.length !== HEADER.length) throw fail(line, 'an image and its level', `${record.length} fields`);
    if (!/^[\w.-]+$/.test(image!)) throw fail(line, 'the name of an image', `\`${clip(image!)}\``);
    if (!/^[0-4]$/.test(level!)) throw fail(line, 'a level that is an integer from 0 to 4', `\`${clip(level!)}\``);
    const before = lineOf.get(image!);
    if (before !== undefined) throw fail(line, `${image} once`, `it again after line ${before}`);
    lineOf.set(image!, line);
    stages[Number(level)]! += 1;
  }
  if (rows.length === 0) throw fail(header.line + 1, 'at least one image with its level', 'the end of the file');
  const csv = `${HEADER}\n${rows.map(({ record }) => `${record}\n`).join('')}`;
  return { csv, rows: rows.length, stages };
}

/** Names of the images of a table that `parseLabels` gave, in its order. */
export function imagesOf({ csv }: Pick<Labels, 'csv'>): string[] {
  return csv
    .split('\n')
    .slice(1, -1)
    .map(line => line.slice(0, line.indexOf(',')));
}

function readRows(bytes: Uint8Array, from: string): { record: string[]; line: number }[] {
  try {
    const rows = parse(bytes, { bom: true, info: true, relaxColumnCount: true, skipEmptyLines: true, trim: true });
    return (rows as unknown as { record: string[]; info: { lines: number } }[]).map(({ record, info }) => ({
      record,
      line: info.lines,
    }));
  } catch (error) {
    throw finalFailure('BadLabels', `Expected ${from} to be CSV, got ${clip((error as Error).message)}`);
  }
}

const clip = (text: string) => (text.length > 80 ? `${text.slice(0, 80)}…` : text);
