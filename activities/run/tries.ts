/** How often a stage's work was tried, by the history of its workflow. Pure. */
import type { WorkflowHandle } from '@temporalio/client';
import type { RunActivities } from './types.ts';

export interface Tries {
  /** Tries at the activities of the stage, those that came to something included. */
  attempts: number;
  /** Tries that were followed by another at the same. */
  attemptsLost: number;
  /**
   * Of what was tried more than once: from when it was to be done until the try that counted began. Waits for a worker and
   * between tries are among them; those of activities that ran side by side are added.
   */
  secondsLost: number;
}

export type History = Awaited<ReturnType<WorkflowHandle['fetchHistory']>>;

/** The run's books, which are no stage's work. */
const BOOKKEEPING: Record<keyof RunActivities, true> = {
  resolveInput: true,
  openStage: true,
  closeStage: true,
  readRun: true,
  readManifest: true,
};

/**
 * The tries at all activities, but for the run's bookkeeping, between the last closing of a stage and the one before it, or
 * the workflow's start: a workflow may make two stages in a row, and what prepares a stage belongs to it.
 *
 * @param history of the workflow that closes the stage, until then
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
    // There is one of each activity, written when that has ended: it is the last try's, with the time of its start.
    const attempt = Math.max(1, started.attempt ?? 1);
    stage.attempts += attempt;
    stage.attemptsLost += attempt - 1;
    // The server's machines need not agree on the time.
    if (attempt > 1) stage.msLost += Math.max(0, milliseconds(eventTime) - due);
  }
  const { attempts, attemptsLost, msLost } = closed;
  return { attempts, attemptsLost, secondsLost: msLost / 1000 };
}

const nothing = () => ({ attempts: 0, attemptsLost: 0, msLost: 0 });

type Time = NonNullable<History['events']>[number]['eventTime'];

/** Seconds are a Long, or a string where the history was a file. */
const milliseconds = (time: Time) => Number(time?.seconds ?? 0) * 1000 + Math.round((time?.nanos ?? 0) / 1e6);
