/** Counts the attempts at a stage's activities, from the history of its workflow. Pure. */
import type { WorkflowHandle } from '@temporalio/client';
import type { RunActivities } from './types.ts';

export interface Tries {
  /** Attempts at the activities of the stage, including the successful ones. */
  attempts: number;
  /** Attempts that were followed by another at the same activity. */
  attemptsLost: number;
  /**
   * Seconds from when an activity with several attempts was due until its last attempt started. They include waits for a
   * worker and between attempts. Those of activities that ran in parallel are added.
   */
  secondsLost: number;
}

export type History = Awaited<ReturnType<WorkflowHandle['fetchHistory']>>;

/** Bookkeeping activities of the run, which belong to no stage. */
const BOOKKEEPING: Record<keyof RunActivities, true> = {
  resolveInput: true,
  openStage: true,
  closeStage: true,
  readRun: true,
  readManifest: true,
};

/**
 * Counts the attempts at the activities of the last closed stage, except bookkeeping. The stage begins after the closing of the one
 * before it, or with the workflow. A workflow may make two stages in a row, and activities that prepare a stage belong to it.
 * @param history of the workflow that closes the stage, up to then
 */
export function triesOf({ events }: History): Tries {
  let stage = nothing();
  let closed = nothing();
  const dueAt = new Map<string, number>();
  for (const { eventId, eventTime, ...event } of events ?? []) {
    const name = event.activityTaskScheduledEventAttributes?.activityType?.name;
    if (name === ('closeStage' satisfies keyof RunActivities)) {
      closed = stage;
      stage = nothing();
    } else if (name && !Object.hasOwn(BOOKKEEPING, name)) {
      dueAt.set(String(eventId), milliseconds(eventTime));
    }
    const started = event.activityTaskStartedEventAttributes;
    const due = dueAt.get(String(started?.scheduledEventId));
    if (!started || due === undefined) continue;
    // The history has one such event per activity, written when it has ended. It holds the last attempt and the time of its start.
    const attempt = Math.max(1, started.attempt ?? 1);
    stage.attempts += attempt;
    stage.attemptsLost += attempt - 1;
    // The clocks of the server's machines may differ.
    if (attempt > 1) stage.msLost += Math.max(0, milliseconds(eventTime) - due);
  }
  const { attempts, attemptsLost, msLost } = closed;
  return { attempts, attemptsLost, secondsLost: msLost / 1000 };
}

const nothing = () => ({ attempts: 0, attemptsLost: 0, msLost: 0 });

type Time = NonNullable<History['events']>[number]['eventTime'];

/** Converts a timestamp to ms. Its seconds are a Long, or a string where the history was read from a file. */
const milliseconds = (time: Time) => Number(time?.seconds ?? 0) * 1000 + Math.round((time?.nanos ?? 0) / 1e6);
