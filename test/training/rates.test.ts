/** The learning rate as the real Caffe computes it from the solvers of the segments. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { parseLogLine } from '../../activities/caffe/caffe-log.ts';
import { FILES } from '../../activities/caffe/network.ts';
import { printPrototxt } from '../../activities/caffe/prototxt.ts';
import { rateAt, segmentSolver } from '../../activities/caffe/solver.ts';
import type { RatePolicy } from '../../config/input.ts';
import { runChild } from '../../lib/process/child-process.ts';
import { testCaffe } from '../support/caffe.ts';
import { testServices } from '../support/services.ts';

const NET = `
layer { name: "d" type: "DummyData" top: "x" top: "y" dummy_data_param { shape { dim: 1 dim: 1 } shape { dim: 1 } } }
layer { name: "s" type: "InnerProduct" bottom: "x" top: "s" inner_product_param { num_output: 2 } }
layer { name: "l" type: "SoftmaxWithLoss" bottom: "s" bottom: "y" top: "l" }`;

const WHOLE = 300;
/** Policies that have the rate of the middle of a segment all through it. */
const BY_SEGMENT: string[] = ['poly', 'sigmoid'];
/** 60 iterations each; the last one is beyond the planned end. */
const SEGMENTS = [0, 1, 2, 3, 4, 5].map(n => ({
  ...{ segment: n, epoch: n + 1, database: { name: 'train-00', records: 60, checksum: '' }, seed: n },
  ...{ from: 60 * n, to: 60 * (n + 1) },
}));

test.each<RatePolicy>([
  { type: 'fixed' },
  { type: 'step', step: 33, gamma: 0.1 },
  { type: 'multistep', steps: [85, 50], gamma: 0.5 },
  { type: 'exp', gamma: 0.95 },
  { type: 'inv', gamma: 0.1, power: 0.5 },
  { type: 'poly', power: 3 },
  { type: 'sigmoid', step: 50, gamma: 0.1 },
])('$type: by the iteration of the whole run, whatever segment it falls into', async policy => {
  const { folder, close } = await testServices();
  onTestFinished(close);
  const { command, env } = await testCaffe();
  await mkdir(join(folder, 'snapshot'));
  await writeFile(join(folder, FILES.net), NET);
  const said = new Map<number, number>();
  for (const segment of SEGMENTS) {
    const solver = segmentSolver(segment, WHOLE, { baseRate: 0.01, policy });
    await writeFile(join(folder, FILES.solver), printPrototxt(solver));
    const resume = segment.from === 0 ? [] : [`--snapshot=${FILES.snapshot(segment.from, 'solverstate')}`];
    const { code } = await runChild(command('caffe', ['train', `--solver=${FILES.solver}`, ...resume]), {
      cwd: folder,
      env: { ...process.env, ...env, GLOG_logtostderr: '1' },
      onLine: line => {
        const event = parseLogLine(line);
        if (event?.kind === 'rate') said.set(event.iteration, event.rate);
      },
    });
    expect(code).toBe(0);
  }
  expect(said.size).toBe(72);
  for (const [iteration, rate] of said) {
    const { from, to } = SEGMENTS[Math.floor(iteration / 60)]!;
    // Beyond the planned end every policy keeps its last rate.
    const at = from >= WHOLE ? WHOLE - 1 : BY_SEGMENT.includes(policy.type) ? (from + to) / 2 : iteration;
    expect(rate / rateAt(policy, 0.01, WHOLE, at), `iteration ${iteration}`).toBeCloseTo(1, 4);
  }
});
