/** `retinopathy compare`: compares two or more runs. */
import colors from 'picocolors';
import { parsePredictions } from '../../activities/regression/tables.ts';
import {
  type ComparedRun,
  type Comparison,
  compareRuns,
  type Figure,
  type Measured,
} from '../../activities/report/compare-runs.ts';
import type { Metrics } from '../../activities/report/types.ts';
import { readReportFile } from '../../activities/run/report-files.ts';
import { show } from '../../config/format-errors.ts';
import { SPLITS, splitName } from '../../config/grades.ts';
import { dashed, fixed, headed, signed, signedRange, table, whole } from '../../lib/format.ts';
import { UserError } from '../../lib/user-error.ts';
import { chooseRun } from '../local/resolve-run.ts';

export interface CompareOptions {
  store?: string;
  out: string;
  json?: boolean;
}

/**
 * Prints the comparison.
 * @param names each the id of a run in the store, or the out folder of a run on this machine
 * @returns the exit status; @throws UserError
 */
export async function compare(names: readonly string[], options: CompareOptions): Promise<number> {
  if (names.length < 2) {
    throw new UserError(`Expected two or more runs to compare, got ${names.length}: retinopathy compare RUN RUN`, 2);
  }
  const runs: ComparedRun[] = [];
  // Sequential, so that the error always names the first run that cannot be read.
  for (const name of names) runs.push(await readRun(name, options));
  const comparison = await compareRuns(runs);
  const text = options.json ? JSON.stringify(comparison, null, 2) : comparisonLines(comparison).join('\n');
  process.stdout.write(`${text}\n`);
  return 0;
}

async function readRun(name: string, options: CompareOptions): Promise<ComparedRun> {
  const { run, store, record } = await chooseRun({ ...options, run: name });
  const file = async (file: string) => {
    const bytes = await readReportFile(store, run, file);
    if (bytes !== undefined) return bytes;
    throw new UserError(
      `Expected run ${run} to have a report with ${file} in ${store.url}, got none: let it end first`,
    );
  };
  const metrics = JSON.parse((await file('metrics.json')).toString('utf8')) as Metrics;
  return { run: name, input: record.input, metrics, predictions: parsePredictions(await file('predictions.csv')) };
}

const TITLES: Record<Figure, string> = {
  qwk: 'QWK',
  ...(Object.fromEntries(SPLITS.map(k => [`auc${k}`, `AUC ${splitName(k)}`])) as Record<`auc${0 | 1 | 2 | 3}`, string>),
  accuracy0: `accuracy ${splitName(0)}`,
  accuracy: 'right stage',
  mae: 'mean error, stages',
};

/** Formats the comparison as tables. */
export function comparisonLines({ inputs, runs, differences }: Comparison): string[] {
  const names = runs.map(({ run }) => run);
  const asked =
    inputs.length === 0
      ? ['  Nothing in the inputs differs.']
      : headed([['input', ...names], ...inputs.map(({ field, values }) => [field, ...values.map(show)])]);
  const figures = Object.entries(TITLES) as [Figure, string][];
  const rows = figures.map(([figure, title]) => [title, ...runs.map(run => absolute(run.figures[figure]))]);
  const lines = [
    ...asked,
    '',
    ...headed([['figure', ...names], ['test eyes', ...runs.map(({ eyes }) => whole(eyes))], ...rows]),
  ];
  for (const { run, over, eyes, patients, unpaired, figures: by } of differences) {
    if (unpaired !== null) {
      lines.push('', `  ${run} and ${over} cannot be paired: ${unpaired}. Only their intervals compare.`);
      continue;
    }
    const title = `${run} less ${over}, on ${whole(eyes)} test eyes of ${whole(patients)} patients that both have`;
    const rows = figures.map(([figure, title]) => [title, relative(by[figure]), verdict(by[figure])]);
    lines.push('', `  ${colors.dim(title)}`, ...table(rows).map(line => `  ${line}`));
  }
  if (runs.some(({ source }) => source === 'synthetic')) {
    lines.push('', colors.dim('  Made-up eyes: their figures say nothing about medicine.'));
  }
  return [
    ...lines,
    colors.dim('  Intervals: 95 %, bootstrap by patient; they cover sampling, not the seed of the training.'),
  ];
}

function absolute({ value, interval }: Measured): string {
  if (value === null || interval === null) return dashed(value);
  return `${fixed(value)} (${fixed(interval[0])} to ${fixed(interval[1])})`;
}

function relative({ value, interval }: Measured): string {
  if (value === null || interval === null) return value === null ? '–' : signed(value);
  return `${signed(value)} (${signedRange(interval)})`;
}

function verdict({ interval }: Measured): string {
  if (interval === null) return '';
  return interval[0] > 0 || interval[1] < 0 ? 'beyond chance' : 'within chance';
}
