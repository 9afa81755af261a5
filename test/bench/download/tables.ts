/** What was measured, as tables. Pure. */
import { bytes, duration, table } from '../../../lib/format.ts';
import type { Bar } from './bars.ts';
import type { Figures, Measurement } from './measure.ts';

/** Bytes of the five parts of 2015, and what `wget` took for them then. */
const ARCHIVE = 34_988_445_506;
const WGET_SECONDS = 3_688;

export const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return (sorted[Math.floor(middle)]! + sorted[Math.ceil(middle)]!) / 2;
};

const medianOf = ({ measurements }: Figures, figure: Exclude<keyof Measurement, 'memory'>) =>
  median(measurements.map(measurement => measurement[figure]));

export const rateOf = (figures: Figures) => medianOf(figures, 'bytesPerSecond');

/** The largest of all rounds: a limit that holds only sometimes is none. */
export const memoryOf = ({ measurements }: Figures): number | null =>
  measurements.reduce<number | null>(
    (most, { memory }) => (memory === null ? most : Math.max(most ?? 0, memory)),
    null,
  );

/** As fast as it goes. @param yardstick the client that the others are compared with */
export function freeTable(figures: readonly Figures[], yardstick: Figures | undefined): string[] {
  const wget = ARCHIVE / WGET_SECONDS;
  return table([
    ['client', 'MB/s', 'from – to', 'to aria2c', 'CPU s/GB', 'memory', 'connections', '35.0 GB take'],
    ...figures.map(each => [
      each.name,
      ...rateCells(each),
      yardstick ? (rateOf(each) / rateOf(yardstick)).toFixed(2) : '–',
      ...costCells(each),
      duration(ARCHIVE / rateOf(each)),
    ]),
    ['wget in 2015, over the Internet', megabytes(wget), '', '', '', '', '5', duration(WGET_SECONDS)],
  ]);
}

/** Each connection held to `rate` bytes a second. @param limits bytes a second that each client could have had at most */
export function heldTable(rate: number, figures: readonly Figures[], limits: readonly number[]): string[] {
  return table([
    [`connections of ${rate / 1e6} MB/s`, 'MB/s', 'from – to', 'of', 'share', 'CPU s/GB', 'memory', 'connections'],
    ...figures.map((each, n) => [
      each.name,
      ...rateCells(each),
      megabytes(limits[n]!),
      (rateOf(each) / limits[n]!).toFixed(2),
      ...costCells(each),
    ]),
  ]);
}

export function barTable(bars: readonly Bar[]): string[] {
  return table([
    ['bar', 'wanted', 'got', ''],
    ...bars.map(({ what, wanted, got, met }) => [what, wanted, got, met ? 'met' : 'NOT met']),
  ]);
}

export const memoryCell = (memory: number | null) => (memory === null ? '–' : bytes(memory));

function rateCells(figures: Figures): string[] {
  const rates = figures.measurements.map(({ bytesPerSecond }) => bytesPerSecond);
  return [
    megabytes(rateOf(figures)),
    `${(Math.min(...rates) / 1e6).toFixed(0)} – ${(Math.max(...rates) / 1e6).toFixed(0)}`,
  ];
}

function costCells(figures: Figures): string[] {
  return [
    cpuOf(figures).toFixed(2),
    memoryCell(memoryOf(figures)),
    String(Math.max(...figures.measurements.map(({ connections }) => connections))),
  ];
}

const megabytes = (bytesPerSecond: number) => (bytesPerSecond / 1e6).toFixed(bytesPerSecond < 1e8 ? 2 : 0);

/** CPU seconds for each GB. */
export const cpuOf = (figures: Figures): number => medianOf(figures, 'cpuSecondsPerGB');
