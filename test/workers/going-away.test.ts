/** Workers that go away while a segment trains: what is done twice, how soon another goes on, that no Caffe stays. */
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { runChild } from '../../lib/process/child-process.ts';
import { eventually, retinopathy } from '../support/command.ts';
import { type FakeMetadata, spotNotice, startFakeMetadata } from '../support/instance-metadata.ts';
import { type GpuWorker, startWorld, type Training, type World } from './world.ts';

const LONG = Boolean(process.env.RETINOPATHY_LONG);
/** Seconds: of what a user is promised, not of what this machine can do. */
const GOES_ON_WITHIN = 5;
const REAPED_WITHIN = 10;
const GONE_WITHIN = 10;
const HEARTBEAT_TIMEOUT = 20;
const SEGMENT_WITHIN = 120;
/** What Caffe has worked, in hundredths of a second of a core, when a segment is well under way. */
const WELL_UNDER_WAY = 150;

let world: World;
let metadata: FakeMetadata;

beforeAll(async () => {
  [world, metadata] = await Promise.all([startWorld(LONG ? 300 : 80), startFakeMetadata()]);
});

afterAll(async () => {
  await metadata?.close();
  await world?.close();
});

beforeEach(() => metadata.data.clear());

const onSpot = () => ({ AWS_EC2_METADATA_DISABLED: 'false', AWS_EC2_METADATA_SERVICE_ENDPOINT: metadata.url });

/** Waits until one of the workers is well into a segment. */
async function training(...workers: GpuWorker[]): Promise<{ worker: GpuWorker; caffe: number }> {
  return eventually(
    () => `a segment to train (${workers.map(worker => worker.output())})`,
    60,
    async () => {
      for (const worker of workers) {
        const caffe = await worker.caffe();
        if (caffe !== undefined && (await worked(caffe)) > WELL_UNDER_WAY) return { worker, caffe };
      }
      return undefined;
    },
  );
}

/** In hundredths of a second. */
async function worked(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[11] ?? 0);
}

const reaped = (worker: GpuWorker) =>
  eventually(`Caffe of ${worker.name} to be reaped`, REAPED_WITHIN, async () => (await worker.caffe()) === undefined);

const goesOn = (segment: Training, worker: GpuWorker, seconds: number) =>
  eventually(`${worker.name} to go on`, seconds, async () => {
    const pending = await segment.pending();
    return (
      pending?.type === 'trainSegment' && pending.running && pending.worker.startsWith(`gpu/${worker.name}/`) && pending
    );
  });

/** What waits when the segment is done. */
const waiting = (segment: Training) => eventually('the next activity to wait', 10, () => segment.pending());

/** What a worker whose segment was stopped says that it had done. */
const doneBy = (worker: GpuWorker) => worker.said('trainSegment was stopped')[0]?.details?.iteration;

async function ends(...workers: GpuWorker[]): Promise<void> {
  for (const worker of workers) process.kill(worker.pid, 'SIGTERM');
  for (const worker of workers) expect((await worker.exited).code, worker.output()).toBe(0);
}

test('SIGTERM while a segment trains: another worker goes on at once, and what is done twice is counted', async () => {
  const workers = await Promise.all([world.startGpu('term-a'), world.startGpu('term-b')]);
  const segment = await world.startTraining('term', { seed: 11 });
  const { worker } = await training(...workers);
  const other = workers.find(one => one !== worker)!;
  process.kill(worker.pid, 'SIGTERM');
  const at = Date.now();
  const { attempt, failure } = await goesOn(segment, other, GOES_ON_WITHIN);
  expect({ attempt, failure }).toEqual({ attempt: 2, failure: 'WorkerShutdown' });
  expect((await worker.exited).code, worker.output()).toBe(0);
  expect(Date.now() - at).toBeLessThan(GONE_WITHIN * 1000);
  expect(await worker.processes()).toEqual([]);

  const { lost, iteration } = await segment.trained(SEGMENT_WITHIN);
  expect(lost).toMatchObject({ attempts: 1, iterations: doneBy(worker) });
  expect(lost.iterations).toBeGreaterThan(0);
  // Caffe was stopped, not waited for.
  expect(lost.iterations).toBeLessThan(iteration);
  await segment.handle.terminate();
  await ends(other);
}, 180_000);

describe.runIf(LONG)('in the long form', () => {
  test('a notice with time enough: the segment ends, nothing is done twice, the worker takes no more and ends', async () => {
    const worker = await world.startGpu('notice', onSpot());
    const segment = await world.startTraining('notice', { seed: 12 });
    await training(worker);
    metadata.data.set('spot/instance-action', spotNotice(600));
    expect((await worker.exited).code, worker.output()).toBe(0);
    expect(worker.said('Spot notice: terminate: no new task')).toHaveLength(1);
    expect(worker.said('trainSegment was stopped')).toEqual([]);
    expect((await segment.trained(1)).lost).toMatchObject({ attempts: 0, iterations: 0, seconds: 0 });
    expect(await waiting(segment)).toMatchObject({ type: 'evaluateSnapshot', attempt: 1, running: false });
    await segment.handle.terminate();
  }, 180_000);

  test('a notice with too little time: stopped at once, another goes on, what is done twice is counted', async () => {
    const worker = await world.startGpu('short', onSpot());
    const segment = await world.startTraining('short', { seed: 13 });
    const other = await training(worker).then(() => world.startGpu('short-other'));
    metadata.data.set('spot/instance-action', spotNotice(10));
    await reaped(worker);
    await goesOn(segment, other, GOES_ON_WITHIN);
    expect((await worker.exited).code, worker.output()).toBe(0);
    expect(worker.said('trainSegment was stopped')).toHaveLength(1);
    const { lost, iteration } = await segment.trained(SEGMENT_WITHIN);
    expect(lost).toMatchObject({ attempts: 1, iterations: doneBy(worker) });
    expect(lost.iterations).toBeLessThanOrEqual(iteration);
    await segment.handle.terminate();
    await ends(other);
  }, 180_000);

  test('a recommendation to rebalance: the segment ends, the worker takes no more and ends', async () => {
    const worker = await world.startGpu('rebalance', onSpot());
    const segment = await world.startTraining('rebalance', { seed: 14 });
    await training(worker);
    metadata.data.set('events/recommendations/rebalance', '{"noticeTime":"2020-10-26T15:55:55Z"}');
    expect((await worker.exited).code, worker.output()).toBe(0);
    expect(worker.said('rebalance recommendation')).toHaveLength(1);
    expect((await segment.trained(1)).lost.attempts).toBe(0);
    expect(await waiting(segment)).toMatchObject({ type: 'evaluateSnapshot', running: false });
    await segment.handle.terminate();
  }, 180_000);

  test('SIGKILL: another goes on after the heartbeat timeout', async () => {
    const worker = await world.startGpu('kill');
    const segment = await world.startTraining('kill', { seed: 15 });
    const other = await training(worker).then(() => world.startGpu('kill-other'));
    process.kill(worker.pid, 'SIGKILL');
    const [pending] = await Promise.all([goesOn(segment, other, HEARTBEAT_TIMEOUT + GOES_ON_WITHIN), reaped(worker)]);
    expect(pending.attempt).toBe(2);
    const { lost, iteration } = await segment.trained(SEGMENT_WITHIN);
    expect(lost).toMatchObject({ attempts: 1 });
    expect(lost.iterations).toBeLessThanOrEqual(iteration);
    await segment.handle.terminate();
    await ends(other);
  }, 180_000);

  test('`temporal activity pause`, then cancel of the workflow: Caffe is reaped each time', async () => {
    const worker = await world.startGpu('pause');
    const segment = await world.startTraining('pause', { seed: 16 });
    await training(worker);
    const { id } = (await segment.pending())!;
    const activity = async (command: string) => {
      const args = ['--workflow-id', 'pause', '--activity-id', id, '--address', world.address];
      const { code, tail } = await runChild([world.temporal, 'activity', command, ...args]);
      expect(code, tail.join('\n')).toBe(0);
    };
    await activity('pause');
    await reaped(worker);
    expect(await eventually('the activity to be paused', 5, async () => !(await segment.pending())?.running)).toBe(
      true,
    );
    await activity('unpause');
    await training(worker);
    await segment.handle.cancel();
    await reaped(worker);
    await expect(segment.handle.result()).rejects.toThrow(/cancelled/i);
    await ends(worker);
  }, 180_000);

  test('a worker that finds nothing to do ends, and asks nobody for notices outside EC2', async () => {
    const outside = { AWS_EC2_METADATA_DISABLED: 'false', AWS_EC2_METADATA_SERVICE_ENDPOINT: 'http://127.0.0.1:9' };
    const worker = await world.startGpu('idle', outside, ['--exit-when-idle', '2s']);
    expect((await worker.exited).code, worker.output()).toBe(0);
    expect(worker.said('nothing to do for 2 s: no new task')).toHaveLength(1);
    expect(worker.said('no EC2 metadata service here')).toHaveLength(1);
  });
});

test('a wrong time for --exit-when-idle is refused with one line', async () => {
  const command = retinopathy(['worker', 'gpu', '--exit-when-idle', 'soon']);
  expect((await command.exited).code).toBe(1);
  expect(command.output().trim()).toBe(
    'retinopathy: Expected --exit-when-idle (RETINOPATHY_EXIT_WHEN_IDLE) to be a time such as 90s, 10m or 1.5h, got `soon`',
  );
});
