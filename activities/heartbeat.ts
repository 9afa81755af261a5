/** Heartbeats, and the way an activity leaves when its worker goes away. */
import { ApplicationFailure, Context, cancellationDetails, heartbeat } from '@temporalio/activity';
import type { Forecast, Leave } from './leaving.ts';
import { progressed } from './measures.ts';

/** Well under a third of every heartbeat timeout. */
const EVERY_MS = 3_000;

const latestDetails = new WeakMap<Context, unknown>();
const leaves = new WeakMap<Context, Leave>();

/** Lets the activity of this context hear that its worker goes away. Called by the worker before the activity starts. */
export function attachLeave(context: Context, leave: Leave): void {
  leaves.set(context, leave);
}

/** The details that the running activity has reported last. */
export function reportedDetails(): unknown {
  return latestDetails.get(Context.current());
}

/**
 * Runs `work` with a heartbeat every three seconds, carrying the details that `report` was given last.
 * Cancellation aborts `signal`; when the worker is going away the activity fails retryably, to go on elsewhere in a second.
 * A worker that has some time left asks the forecast that `foresee` was given whether the activity ends within it.
 */
export async function withHeartbeat<Details, Result>(
  work: (
    report: (details: Details) => void,
    signal: AbortSignal,
    foresee: (forecast: Forecast) => void,
  ) => Promise<Result>,
): Promise<Result> {
  const context = Context.current();
  const leave = leaves.get(context);
  const cancelled = context.cancellationSignal;
  heartbeat(context.info.heartbeatDetails);
  let before: unknown;
  const timer = setInterval(() => {
    const latest = latestDetails.get(context);
    heartbeat(latest ?? context.info.heartbeatDetails);
    if (latest !== before) progressed();
    before = latest;
  }, EVERY_MS);
  try {
    // A task may have been on its way when the worker stopped asking for more.
    leave?.signal.throwIfAborted();
    return await work(
      details => {
        latestDetails.set(context, details);
      },
      leave ? AbortSignal.any([cancelled, leave.signal]) : cancelled,
      forecast => {
        if (leave) leave.forecast = forecast;
      },
    );
  } catch (error) {
    if (cancelled.aborted ? cancellationDetails()?.workerShutdown : leave?.signal.aborted) {
      // The details travel with the failure, so that the next attempt can count what was lost.
      heartbeat(latestDetails.get(context));
      throw ApplicationFailure.create({
        message: 'The worker is going away: the activity goes on elsewhere',
        type: 'WorkerShutdown',
        nextRetryDelay: '1s',
        category: 'BENIGN',
        ...(error instanceof Error ? { cause: error } : {}),
      });
    }
    throw error;
  } finally {
    clearInterval(timer);
  }
}

/** Activities that have no details to report, each with its heartbeat. */
export function withHeartbeats(activities: object): object {
  return Object.fromEntries(
    Object.entries(activities).map(([name, activity]) => [
      name,
      (args: unknown) => withHeartbeat(() => (activity as (args: unknown) => Promise<unknown>)(args)),
    ]),
  );
}
