/** `retinopathy fork` of an out folder: a run on this machine that goes on from an epoch of the one that is there. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Comparison } from '../../activities/report/compare-runs.ts';
import type { Metrics } from '../../activities/report/types.ts';
import type { Plan } from '../../cli/estimate/estimate.ts';
import { readOutState } from '../../cli/local/run-dir.ts';
import { eventually, retinopathy } from '../support/command.ts';
import { CAFFE_TRAINS, processesMentioning } from '../support/processes.ts';
import { TINY_OPTIONS } from '../support/tiny.ts';

/** One an epoch, so that the last two, which the store keeps, are two epochs. */
const OPTIONS = [...TINY_OPTIONS, '--set', 'training.segmentsPerEpoch=1'];
const SEGMENTS = 8;
const FORK = ['--split', '1', '--from-epoch', '1', '--set', 'training.baseRate=0.001'];

let folder: string;
let out: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fork-'));
  out = join(folder, 'run');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function ended(args: readonly string[]): Promise<{ code: number | null; said: string }> {
  const command = retinopathy(args);
  const { code } = await command.exited;
  return { code, said: command.output() };
}

const metricsOf = async (report: string) => JSON.parse(await readFile(join(report, 'metrics.json'), 'utf8')) as Metrics;
const stateOf = async () => (await readOutState(out))!;

describe.runIf(process.env.RETINOPATHY_LONG)('a fork of an out folder', () => {
  test('trains what is new, leaves the run as it is, and is compared with it by what it prints', async () => {
    const first = await ended(['run', '--out', out, '--no-keep', ...OPTIONS]);
    expect(first.code, first.said).toBe(0);
    const state = await stateOf();
    const before = await metricsOf(join(out, 'report'));

    const forked = await ended(['fork', out, ...FORK, '--name', 'lower']);
    expect(forked.code, forked.said).toBe(0);
    expect(await stateOf()).toEqual(state);
    expect(await metricsOf(join(out, 'report'))).toEqual(before);
    const { run, work } = await metricsOf(join(out, 'lower'));
    expect(run).toBe('lower');
    expect([work.segmentsTrained, work.segmentsReused]).toEqual([1, SEGMENTS - 1]);
    await eventually('no process of it', 10, async () => (await processesMentioning(out)).length === 0);

    const words = /Compare\s+retinopathy (.*)/.exec(forked.said)![1]!.split(' ');
    const compared = await ended([...words, '--json']);
    expect(compared.code, compared.said).toBe(0);
    const { inputs } = JSON.parse(compared.said) as Comparison;
    expect(inputs.map(({ field }) => field)).toEqual(['training.forks']);

    const fork = [{ run: state.run, split: 1, epoch: 1, set: { baseRate: 0.001 } }];
    const planned = await ended([
      ...['plan', '--set', `training.forks=${JSON.stringify(fork)}`, '--out', out, '--from', out, '--json'],
    ]);
    expect(planned.code, planned.said).toBe(0);
    const { work: counted, fetch } = JSON.parse(planned.said.slice(planned.said.indexOf('{\n'))) as Plan;
    expect([counted.segments - counted.shared.segments, fetch.bytes]).toEqual([work.segmentsTrained, 0]);

    const again = await ended(['fork', out, ...FORK, '--name', 'lower']);
    expect(again.code, again.said).toBe(0);
    expect((await metricsOf(join(out, 'lower'))).work.segmentsTrained).toBe(1);
    const other = await ended(['fork', out, ...FORK.slice(0, -1), 'training.baseRate=0.002', '--name', 'lower']);
    expect([other.code, other.said.trim()]).toEqual([
      1,
      'retinopathy: Expected --name lower to be new, got a run of another input: take another',
    ]);
  }, 400_000);

  test('that is stopped goes on with the same words', async () => {
    const words = ['fork', out, '--split', '0', '--from-epoch', '2', '--set', 'training.epochs=8', '--name', 'longer'];
    const first = retinopathy(words);
    const trains = async () => (await processesMentioning(out, CAFFE_TRAINS)).length > 0;
    await eventually(() => `it to train (${first.output()})`, 120, trains);
    process.kill(first.pid, 'SIGTERM');
    expect((await first.exited).code).toBe(143);
    expect(first.output()).toContain('the same command again');
    const second = await ended(words);
    expect(second.code, second.said).toBe(0);
    const { work } = await metricsOf(join(out, 'longer'));
    expect(work.segmentsTrained + work.segmentsReused).toBe(SEGMENTS + 6);
  }, 300_000);
});
