import { expect, test } from 'vitest';
import type { ChainRun, TimedSegment } from './train/chain.ts';
import type { TimedDatabase } from './train/data.ts';
import { type Measured, printed } from './train/tables.ts';

const segment = (caffe: number): TimedSegment => ({
  ...{ all: caffe + 0.5, waiting: 0.1, reading: 0.1, placing: 0.1, caffe, verifying: 0.05, storing: 0.1 },
});
const chain = (...caffe: number[]): ChainRun => ({
  segments: caffe.map(segment),
  seconds: caffe.reduce((sum, each) => sum + each + 0.6, 0),
  judging: caffe.map(() => 2),
  workerCpu: 1,
});
const database = (name: string, records: number, cpu: number): TimedDatabase => ({
  ...{ name, database: { key: '', size: 0, crc32c: 0 }, mean: null, records, reused: false },
  ...{ seconds: 2 * cpu, cpu },
});
const measured = (caffe: number, heads: number, cpu: number): Measured => ({
  rounds: [{ bare: { seconds: 120, starting: 0.4 }, pipeline: chain(caffe, caffe), fourHeads: chain(heads) }],
  records: 600,
  stage: {
    label: 'stages/label/0',
    // A sixth of the work is the mean's, and what is held out counts for nothing.
    databases: [database('train-00', 600, (cpu * 5) / 6), database('val', 100, 7)],
    mean: { records: 600, seconds: cpu / 3, cpu: cpu / 6 },
  },
});
const bars = (lines: readonly string[]) =>
  lines.slice(lines.findIndex(line => line.startsWith('bar')) + 1).map(line => line.replaceAll(/ {2,}/g, ' | '));

test('bars that are met', () => {
  expect(bars(printed(measured(60.2, 62, 1.2)))).toEqual([
    'overhead to bare caffe train | ≤ 3.00 % | 1.33 % | met',
    'the same, added up from its parts, each start of Caffe too | ≤ 3.00 % | 1.67 % | met',
    'four heads to one split | ≤ 1.10 | 1.03 | met',
    'pictures/s a core into a database, its mean included | ≥ 400 | 500 | met',
  ]);
});

test('bars that are not, and segments that are too short to tell', () => {
  expect(bars(printed(measured(64, 80, 3)))).toEqual([
    'overhead to bare caffe train | ≤ 3.00 % | 7.67 % | NOT met',
    'the same, added up from its parts, each start of Caffe too | ≤ 3.00 % | 1.57 % | met',
    'four heads to one split | ≤ 1.10 | 1.25 | NOT met',
    'pictures/s a core into a database, its mean included | ≥ 400 | 200 | NOT met',
  ]);
  expect(printed(measured(20, 20, 1)).join('\n')).toContain('(segments of 21 s only)');
});
