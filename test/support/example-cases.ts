/** What the example of each command shows: a command without a case here is one that nobody has looked at. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { READY_LINE } from '../../workers/roles.ts';
import type { Typed } from './help-examples.ts';

export interface ExampleCase {
  /** What tells that it did what it is there for. */
  says: RegExp;
  /** What it leaves in the working folder, none of it empty. */
  writes?: readonly string[];
  /** Examples whose results it takes up. Default: `run` */
  after?: readonly string[];
  /** It asks Temporal's server, which `ui` starts. */
  asksServer?: boolean;
  /** It stays until it is stopped, and ends with code 0 then. */
  stays?: boolean;
}

/** By command. */
export const EXAMPLE_CASES: Readonly<Record<string, ExampleCase>> = {
  run: {
    says: /done regress QWK[\s\S]*<0\.\.3>\/<4>[\s\S]*Report {2}file:\/\/.*\/run\/report\/report\.html/,
    writes: ['run/report/report.html', 'run/report/metrics.json', 'run/report/predictions.csv', 'run/temporal.db'],
    after: [],
  },
  doctor: { says: /✓ Temporal CLI .*Server[\s\S]*✓ Caffe .*caffe version[\s\S]*free for .*\/run$/m, after: [] },
  ui: { says: /Web UI {2}http:\/\/127\.0\.0\.1:\d+ {3}until Ctrl-C/, stays: true },
  watch: { says: /^ {2}qwk [-−]?\d[\s\S]*The report lies at runs\/.*\/report\/ in the store/m, asksServer: true },
  worker: { says: new RegExp(`^${READY_LINE}$`, 'm'), asksServer: true, stays: true },
  report: { says: /\/report$/, writes: ['report/report.html', 'report/metrics.json', 'report/curves.csv'] },
  compare: {
    says: /QWK +[-−]?\d[\s\S]* less \.\/run, on \d+ test eyes of \d+ patients that both have/,
    after: ['fork'],
  },
  score: { says: /\d+ pictures scored\.[\s\S]*\/run\/test\/submission\.csv/, writes: ['run/test/submission.csv'] },
  predict: { says: /10_left\.jpeg .*\n.*10_right\.jpeg [\s\S]*Not a medical device/ },
  explain: {
    says: /10_left: its way[\s\S]*the four predictions by epoch[\s\S]*stage \d: the value/,
    writes: ['explained/10_left.png', 'explained/10_left.json'],
  },
  fork: {
    says: /slower: .* with training\.baseRate=0\.001 in split 01\|234 after epoch 1[\s\S]*done regress[\s\S]*slower\/report\.html/,
    writes: ['run/slower/report.html', 'run/slower/metrics.json'],
  },
  submit: { says: /\d+ pictures, those of sampleSubmission\.csv[\s\S]*Successfully submitted to/, after: ['score'] },
  plan: { says: /to fetch +[\d,]+ bytes[\s\S]*the run +\d+\.\d\d USD[\s\S]*By run / },
  gc: { says: /^ {2}file:.*\/run\/store: to free 0 B in 0 places, kept [\d.]+ MB$/m },
  'export digits': {
    says: /\d+ pictures and the lists of four splits in .*\/digits$/m,
    writes: ['digits/split-0/train.tsv', 'digits/split-3/labels.txt'],
  },
  'export model': {
    says: /The model of run .* in .*\/model, where MODEL\.md/,
    writes: ['model/MODEL.md', 'model/networks/train-0-vs-1234.prototxt', 'model/regression.json'],
  },
  'export webdataset': {
    says: /\d+ samples of the test fold in 1 tar in .*\/tars, read\.py reads them/,
    writes: ['tars/test-000000.tar', 'tars/read.py'],
  },
};

/** An example that has ended did what it is there for. */
export async function expectExample(command: string, { code, said }: Typed, cwd: string): Promise<void> {
  const { says, writes = [] } = EXAMPLE_CASES[command]!;
  expect([command, code], said).toEqual([command, 0]);
  expect(said).toMatch(says);
  expect(said).not.toMatch(/^\s+at .*:\d+:\d+/m);
  for (const file of writes) expect((await stat(join(cwd, file))).size, file).toBeGreaterThan(0);
}
