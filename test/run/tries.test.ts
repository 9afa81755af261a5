/** What the history of a workflow says of the tries at a stage. */
import { historyFromJSON } from '@temporalio/common/lib/proto-utils.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type History, triesOf } from '../../activities/run/attempt-counts.ts';

interface Tried {
  name: string;
  /** Number of the last try. */
  attempt: number;
  /** Milliseconds from when it was to be done until its last try began. */
  after: number;
}

const once = (name: string): Tried => ({ name, attempt: 1, after: 7 });

/**
 * The history of a workflow that makes these stages, one after another, up to the closing of the last. What is done for a stage
 * runs side by side; the server writes what was started when it has ended, with the time of its start.
 */
function historyOf(stages: readonly (readonly Tried[])[]): History {
  const events: object[] = [];
  let now = Date.parse('2026-11-22T20:34:37.250Z');
  const write = (type: string, attributes: object, at = now): string => {
    const eventId = String(events.length + 1);
    events.push({ eventId, eventTime: new Date(at).toISOString(), eventType: `EVENT_TYPE_${type}`, ...attributes });
    return eventId;
  };
  const schedule = ({ name, attempt, after }: Tried) => {
    const due = now;
    const activityTaskScheduledEventAttributes = { activityType: { name } };
    const scheduledEventId = write('ACTIVITY_TASK_SCHEDULED', { activityTaskScheduledEventAttributes });
    return () => {
      const activityTaskStartedEventAttributes = { scheduledEventId, attempt };
      write('ACTIVITY_TASK_STARTED', { activityTaskStartedEventAttributes }, due + after);
      write('ACTIVITY_TASK_COMPLETED', { activityTaskCompletedEventAttributes: { scheduledEventId } });
    };
  };
  write('WORKFLOW_EXECUTION_STARTED', { workflowExecutionStartedEventAttributes: {} });
  for (const [i, tried] of stages.entries()) {
    schedule({ name: 'openStage', attempt: 3, after: 9000 })();
    now += 100;
    for (const end of tried.map(schedule).reverse()) end();
    now += 100_000;
    const close = schedule({ name: 'closeStage', attempt: 2, after: 9000 });
    if (i < stages.length - 1) close();
  }
  return historyFromJSON({ events });
}

describe('triesOf', () => {
  it('counts what was tried again, and the time until it was tried as it counted', () => {
    const tried = [once('listFiles'), { name: 'downloadPart', attempt: 3, after: 4250 }, once('downloadPart')];
    expect(triesOf(historyOf([tried]))).toEqual({ attempts: 5, attemptsLost: 2, secondsLost: 4.25 });
  });

  it('is of the stage that is closed, not of the one that the workflow made before it', () => {
    const drawn = [{ name: 'drawEyes', attempt: 9, after: 90_000 }];
    const fetched = [once('listFiles'), { name: 'downloadPart', attempt: 2, after: 1500 }];
    expect(triesOf(historyOf([drawn, fetched]))).toEqual({ attempts: 3, attemptsLost: 1, secondsLost: 1.5 });
    expect(triesOf(historyOf([drawn]))).toEqual({ attempts: 9, attemptsLost: 8, secondsLost: 90 });
  });

  it('takes no time back where clocks differ, and knows that nothing was tried', () => {
    expect(triesOf(historyOf([[{ name: 'downloadPart', attempt: 2, after: -40 }]])).secondsLost).toBe(0);
    expect(triesOf(historyOf([[]]))).toEqual({ attempts: 0, attemptsLost: 0, secondsLost: 0 });
    expect(triesOf({})).toEqual({ attempts: 0, attemptsLost: 0, secondsLost: 0 });
  });

  it('adds up for any stages', () => {
    const tried = fc.record({
      name: fc.constantFrom('listFiles', 'downloadPart', 'prepareShard', 'buildDatabase'),
      attempt: fc.integer({ min: 1, max: 40 }),
      after: fc.integer({ min: 0, max: 3_600_000 }),
    });
    fc.assert(
      fc.property(fc.array(fc.array(tried, { maxLength: 12 }), { minLength: 1, maxLength: 3 }), stages => {
        const last = stages.at(-1)!;
        const sum = (of: (one: Tried) => number) => last.reduce((all, one) => all + of(one), 0);
        const { attempts, attemptsLost, secondsLost } = triesOf(historyOf(stages));
        expect(attempts).toBe(sum(({ attempt }) => attempt));
        expect(attempts - attemptsLost).toBe(last.length);
        expect(secondsLost).toBeCloseTo(
          sum(({ attempt, after }) => (attempt > 1 ? after / 1000 : 0)),
          6,
        );
      }),
    );
  });
});
