/** What a worker that goes away lets end and what it gives back, with activities that say what they need. */
import { MockActivityEnvironment } from '@temporalio/testing';
import pino from 'pino';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { withHeartbeat } from '../../activities/heartbeat.ts';
import { Pace } from '../../activities/training/pace.ts';
import { Departure, endsInTime } from '../../workers/departure.ts';
import { leaveWhenIdle, parseIdleTime } from '../../workers/idle.ts';

let departure: Departure;
let lines: string[];
let stoppedPolling: number;

beforeEach(() => {
  lines = [];
  stoppedPolling = 0;
  const log = pino({ base: null }, { write: (line: string) => lines.push(JSON.parse(line).msg) });
  departure = new Departure(log, () => stoppedPolling++);
});

afterEach(() => {
  departure.close();
  vi.useRealTimers();
});

interface Started {
  outcome: Promise<unknown>;
  end(): void;
}

/** An activity that runs until it is told to end, or cancelled. */
function start(needs?: () => number, activityType = 'trainSegment', environment?: MockActivityEnvironment): Started {
  const mock = environment ?? new MockActivityEnvironment({ activityType });
  let end: () => void = () => {};
  const ended = new Promise<string>(resolve => {
    end = () => resolve('ended');
  });
  const outcome = mock
    .run(() =>
      departure.running.interceptor(mock.context).execute!({ args: [], headers: {} }, () =>
        withHeartbeat(async (report, signal, foresee) => {
          report({ iteration: 3 });
          if (needs) foresee(needs);
          const aborted = new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
          return Promise.race([ended, aborted]);
        }),
      ),
    )
    .catch(error => error);
  return { outcome, end };
}

const givenBack = { type: 'WorkerShutdown', nonRetryable: false, nextRetryDelay: '1s' };
const in120s = () => Date.now() + 120_000;

describe('a departure', () => {
  test('at once gives all back, whatever they need', async () => {
    const short = start(() => 1);
    departure.leave({ why: 'SIGTERM', word: 'WORKER_SHUTDOWN', by: 0 });
    expect(await short.outcome).toMatchObject(givenBack);
    expect(stoppedPolling).toBe(1);
  });

  test('with time lets end what ends in time, and gives back the rest', async () => {
    const fits = start(() => 60_000);
    const doesNot = start(() => 119_000);
    const unknown = start();
    departure.leave({ why: 'Spot notice: terminate', word: 'SPOT_NOTICE', by: in120s() });
    expect(await doesNot.outcome).toMatchObject(givenBack);
    expect(await unknown.outcome).toMatchObject(givenBack);
    fits.end();
    expect(await fits.outcome).toBe('ended');
    expect(lines).toEqual(
      expect.arrayContaining([
        'Spot notice: terminate: no new task, 120 s left',
        'trainSegment is let end: it needs 60 s, 120 s left',
        'trainSegment is given back: it needs 119 s, 120 s left',
        'trainSegment is given back: its end is not known, 120 s left',
      ]),
    );
  });

  test('gives back what turns out to be slower than it said', async () => {
    let needs = 60_000;
    const slow = start(() => needs);
    departure.leave({ why: 'Spot notice: terminate', word: 'SPOT_NOTICE', by: in120s() });
    needs = 119_000;
    expect(await slow.outcome).toMatchObject(givenBack);
  });

  test('knows of others how long their kind has taken', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    const first = start(undefined, 'unzipAndAugment');
    vi.setSystemTime(Date.now() + 30_000);
    first.end();
    await first.outcome;
    const second = start(undefined, 'unzipAndAugment');
    const other = start(undefined, 'buildDatabase');
    departure.leave({ why: 'Spot notice: stop', word: 'SPOT_NOTICE', by: in120s() });
    expect(await other.outcome).toMatchObject(givenBack);
    expect(lines.some(line => line.startsWith('unzipAndAugment is let end'))).toBe(true);
    second.end();
    expect(await second.outcome).toBe('ended');
  });

  test('without an end lets all end; a notice and a signal that follow shorten it', async () => {
    const [unknown, known] = [start(), start(() => 60_000)];
    departure.leave({ why: 'rebalance recommendation', word: 'SPOT_NOTICE', by: Number.POSITIVE_INFINITY });
    departure.leave({ why: 'Spot notice: terminate', word: 'SPOT_NOTICE', by: in120s() });
    expect(await unknown.outcome).toMatchObject(givenBack);
    departure.leave({ why: 'SIGTERM', word: 'WORKER_SHUTDOWN', by: 0 });
    expect(await known.outcome).toMatchObject(givenBack);
    departure.leave({ why: 'rebalance recommendation', word: 'SPOT_NOTICE', by: Number.POSITIVE_INFINITY });
    expect(stoppedPolling).toBe(1);
    expect(lines.filter(line => line.startsWith('rebalance'))).toHaveLength(1);
  });

  test('gives back a task that comes in that moment before its work begins', async () => {
    departure.leave({ why: 'SIGTERM', word: 'WORKER_SHUTDOWN', by: 0 });
    const late = start();
    late.end();
    expect(await late.outcome).toMatchObject(givenBack);
  });

  test('does not wait without end for what was given back and does not end', async () => {
    vi.useFakeTimers({ toFake: ['Date', 'setTimeout', 'clearTimeout'] });
    const mock = new MockActivityEnvironment({ activityType: 'writeReport' });
    let end: () => void = () => {};
    const deaf = new Promise<void>(resolve => {
      end = resolve;
    });
    const outcome = mock.run(() =>
      departure.running.interceptor(mock.context).execute!({ args: [], headers: {} }, () => deaf),
    );
    const overdue = expect(departure.overdue).rejects.toThrow('Expected writeReport to end, got nothing for 15 s');
    departure.leave({ why: 'Spot notice: terminate', word: 'SPOT_NOTICE', by: in120s() });
    vi.advanceTimersByTime(100_000);
    departure.leave({ why: 'SIGTERM', word: 'WORKER_SHUTDOWN', by: 0 });
    vi.advanceTimersByTime(15_000);
    await overdue;
    end();
    await outcome;
  });

  test('leaves a cancellation by the workflow what it is', async () => {
    const mock = new MockActivityEnvironment();
    const cancelled = start(undefined, 'trainSegment', mock);
    departure.leave({ why: 'rebalance recommendation', word: 'SPOT_NOTICE', by: Number.POSITIVE_INFINITY });
    mock.cancel();
    expect(await cancelled.outcome).toMatchObject({ name: 'CancelledFailure', message: 'CANCELLED' });
  });
});

test('a margin keeps the worst case within the time left', () => {
  expect(endsInTime(92_000, 120_000)).toBe(true);
  expect(endsInTime(92_001, 120_000)).toBe(false);
  expect(endsInTime(0, 4_999)).toBe(false);
  expect(endsInTime(undefined, 120_000)).toBe(false);
  expect(endsInTime(undefined, Number.POSITIVE_INFINITY)).toBe(true);
});

describe('the pace of a segment', () => {
  test('is its own rate for the iterations left, and what the segment before took to be stored', () => {
    const storing = {};
    const first = new Pace(storing);
    expect(first.needs(0)).toBeUndefined();
    first.at(100, 200, 0);
    expect(first.needs(0)).toBeUndefined();
    first.at(150, 200, 50_000);
    expect(first.needs(50_000)).toBe(60_000);
    expect(first.needs(80_000)).toBe(30_000);
    // Shown after the snapshot was written.
    first.at(200, 200, 101_000);
    expect(first.needs(101_000)).toBe(9_000);
    first.stored(103_000);

    const second = new Pace(storing);
    second.at(200, 300, 200_000);
    second.at(250, 300, 210_000);
    expect(second.needs(210_000)).toBe(13_000);
    expect(second.needs(900_000)).toBe(0);
  });
});

describe('an idle worker', () => {
  test('leaves when it has run nothing for so long, and not while it runs something', async () => {
    vi.useFakeTimers({ toFake: ['Date', 'setTimeout', 'clearTimeout'] });
    const busy = start();
    const stop = leaveWhenIdle(departure, 600_000);
    vi.advanceTimersByTime(3_600_000);
    expect(stoppedPolling).toBe(0);
    busy.end();
    await busy.outcome;
    vi.advanceTimersByTime(599_999);
    expect(stoppedPolling).toBe(0);
    vi.advanceTimersByTime(600_000);
    expect(stoppedPolling).toBe(1);
    expect(lines).toContain('nothing to do for 600 s: no new task');
    stop();
  });

  test('is told how long by a time with its unit', () => {
    expect(['90s', '10m', '1.5h'].map(parseIdleTime)).toEqual([90_000, 600_000, 5_400_000]);
    for (const text of ['10', '0s', 'ten minutes', '-1m', '10m5', '999999h'])
      expect(() => parseIdleTime(text)).toThrow(/^Expected --exit-when-idle .* to be a time such as .*, got/);
  });
});
