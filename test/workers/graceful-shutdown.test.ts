/** What a worker that shuts down lets end and what it stops. */
import { MockActivityEnvironment } from '@temporalio/testing';
import pino from 'pino';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { withHeartbeat } from '../../activities/heartbeat.ts';
import { exitWhenIdle, GracefulShutdown, parseIdleTime } from '../../workers/graceful-shutdown.ts';
import { readNotice } from '../../workers/spot-notice.ts';
import { spotNotice } from '../support/instance-metadata.ts';

let shutdown: GracefulShutdown;
let lines: string[];
let stoppedPolling: number;

beforeEach(() => {
  lines = [];
  stoppedPolling = 0;
  const log = pino({ base: null }, { write: (line: string) => lines.push(JSON.parse(line).msg) });
  shutdown = new GracefulShutdown(log, () => stoppedPolling++);
});

afterEach(() => {
  shutdown.close();
  vi.useRealTimers();
});

interface Started {
  outcome: Promise<unknown>;
  end(): void;
}

/** An activity that runs until it is told to end, or cancelled. */
function start(mock = new MockActivityEnvironment({ activityType: 'trainSegment' })): Started {
  let end: () => void = () => {};
  const ended = new Promise<string>(resolve => {
    end = () => resolve('ended');
  });
  const outcome = mock
    .run(() =>
      shutdown.interceptor(mock.context).execute!({ args: [], headers: {} }, () =>
        withHeartbeat(async (report, signal) => {
          report({ iteration: 3 });
          const aborted = new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
          return Promise.race([ended, aborted]);
        }),
      ),
    )
    .catch(error => error);
  return { outcome, end };
}

const stopped = { type: 'WorkerShutdown', nonRetryable: false, nextRetryDelay: '1s' };
const rebalance = { why: 'rebalance recommendation', by: Number.POSITIVE_INFINITY };

describe('a shutdown', () => {
  test('by a signal stops all at once', async () => {
    const running = start();
    shutdown.begin({ why: 'SIGTERM', by: 0 });
    expect(await running.outcome).toMatchObject(stopped);
    expect(stoppedPolling).toBe(1);
    expect(lines).toEqual(['SIGTERM: no new task, what runs is stopped', 'trainSegment was stopped']);
  });

  test('by a notice of 120 s lets end what ends in 100 s, and then stops the rest', async () => {
    vi.useFakeTimers({ toFake: ['Date', 'setTimeout', 'clearTimeout'], now: new Date('2026-11-30T12:00:00Z') });
    const [short, long] = [start(), start()];
    let isOver = false;
    void long.outcome.then(() => {
      isOver = true;
    });
    shutdown.begin(readNotice(spotNotice(120)));
    expect(stoppedPolling).toBe(1);
    expect(lines).toEqual(['Spot notice: terminate: no new task, what runs is stopped in 100 s']);
    vi.advanceTimersByTime(99_000);
    short.end();
    expect(await short.outcome).toBe('ended');
    expect(isOver).toBe(false);
    vi.advanceTimersByTime(1_000);
    expect(await long.outcome).toMatchObject(stopped);
  });

  test('by a notice that leaves less than 20 s stops all at once', async () => {
    const running = start();
    shutdown.begin(readNotice(spotNotice(19)));
    expect(await running.outcome).toMatchObject(stopped);
  });

  test('without an end lets all end; a signal that follows shortens it', async () => {
    const [first, second] = [start(), start()];
    shutdown.begin(rebalance);
    expect(lines).toEqual(['rebalance recommendation: no new task, what runs may end']);
    first.end();
    expect(await first.outcome).toBe('ended');
    shutdown.begin({ why: 'SIGTERM', by: 0 });
    expect(await second.outcome).toMatchObject(stopped);
    shutdown.begin(rebalance);
    expect(stoppedPolling).toBe(1);
    expect(lines.filter(line => line.startsWith('rebalance'))).toHaveLength(1);
  });

  test('stops a task that comes in that moment before its work begins', async () => {
    shutdown.begin({ why: 'SIGTERM', by: 0 });
    const late = start();
    late.end();
    expect(await late.outcome).toMatchObject(stopped);
  });

  test('does not wait without end for what was stopped and does not end', async () => {
    vi.useFakeTimers({ toFake: ['Date', 'setTimeout', 'clearTimeout'] });
    const mock = new MockActivityEnvironment({ activityType: 'writeReport' });
    let end: () => void = () => {};
    const deaf = new Promise<void>(resolve => {
      end = resolve;
    });
    const outcome = mock.run(() => shutdown.interceptor(mock.context).execute!({ args: [], headers: {} }, () => deaf));
    const overdue = expect(shutdown.overdue).rejects.toThrow('Expected writeReport to end, got nothing for 8 s');
    shutdown.begin(readNotice(spotNotice(120)));
    vi.advanceTimersByTime(50_000);
    shutdown.begin({ why: 'SIGTERM', by: 0 });
    vi.advanceTimersByTime(8_000);
    await overdue;
    end();
    await outcome;
  });

  test('leaves a cancellation by the workflow what it is', async () => {
    const mock = new MockActivityEnvironment();
    const cancelled = start(mock);
    shutdown.begin(rebalance);
    mock.cancel();
    expect(await cancelled.outcome).toMatchObject({ name: 'CancelledFailure', message: 'CANCELLED' });
  });
});

describe('an idle worker', () => {
  test('shuts down when it has run nothing for so long, and not while it runs something', async () => {
    vi.useFakeTimers({ toFake: ['Date', 'setTimeout', 'clearTimeout'] });
    const busy = start();
    const stop = exitWhenIdle(shutdown, 600_000);
    vi.advanceTimersByTime(3_600_000);
    expect(stoppedPolling).toBe(0);
    busy.end();
    await busy.outcome;
    vi.advanceTimersByTime(599_999);
    expect(stoppedPolling).toBe(0);
    vi.advanceTimersByTime(600_000);
    expect(stoppedPolling).toBe(1);
    expect(lines).toContain('nothing to do for 600 s: no new task, what runs may end');
    stop();
  });

  test('is told how long by a time with its unit', () => {
    expect(['90s', '10m', '1.5h'].map(parseIdleTime)).toEqual([90_000, 600_000, 5_400_000]);
    for (const text of ['10', '0s', 'ten minutes', '-1m', '10m5', '999999h'])
      expect(() => parseIdleTime(text)).toThrow(/^Expected --exit-when-idle .* to be a time such as .*, got/);
  });
});
