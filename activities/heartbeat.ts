/** Sends heartbeats, and ends an activity when its worker shuts down. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { ApplicationFailure, Context, cancellationDetails, heartbeat } from '@temporalio/activity';
import { progressed } from './metrics.ts';

/** Well under a third of every heartbeat timeout. */
const EVERY_MS = 3_000;

const latestDetails = new WeakMap<Context, unknown>();
/** Signal that aborts when the worker stops its activities. The worker sets it around each activity. */
export const shutdownSignal = new AsyncLocalStorage<AbortSignal>();

/** Returns the details that the running activity reported last. */
export function reportedDetails(): unknown {
  return latestDetails.get(Context.current());
}

/**
 * Runs `work` with a heartbeat every three seconds, which carries the latest details given to `report`.
 * A cancellation aborts `signal`, and so does a worker that shuts down. On shutdown the activity fails retryably, to resume elsewhere in a
 * second.
 */
export async function withHeartbeat<Details, Result>(
  work: (report: (details: Details) => void, signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const context = Context.current();
  const shutdown = shutdownSignal.getStore();
  const cancelled = context.cancellationSignal;
  const beat = () => heartbeat(latestDetails.get(context) ?? context.info.heartbeatDetails);
  beat();
  let before: unknown;
  const timer = setInterval(() => {
    beat();
    const latest = latestDetails.get(context);
    if (latest !== before) progressed();
    before = latest;
  }, EVERY_MS);
  try {
    // A task may still arrive after the worker has stopped asking for more.
    shutdown?.throwIfAborted();
    return await work(
      details => {
        latestDetails.set(context, details);
      },
      shutdown ? AbortSignal.any([cancelled, shutdown]) : cancelled,
    );
  } catch (error) {
    // The details travel with the failure, so that the next attempt can count what was lost.
    beat();
    if (cancelled.aborted ? cancellationDetails()?.workerShutdown : shutdown?.aborted) {
      throw ApplicationFailure.create({
        message: 'The worker is shutting down: the activity resumes elsewhere',
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

/** Implementations of activities: each takes its arguments, a function that reports details, and an abort signal. */
type Works<Activities> = {
  [Name in keyof Activities]: Activities[Name] extends (args: infer Args) => infer Result
    ? (args: Args, report: (details: unknown) => void, signal: AbortSignal) => Result
    : never;
};

/** Returns the activities with a heartbeat around each. */
export function withHeartbeats<Activities extends object>(works: Works<Activities>): Activities {
  type Work = (args: unknown, report: (details: unknown) => void, signal: AbortSignal) => Promise<unknown>;
  const activities = Object.entries(works as Record<string, Work>).map(([name, work]) => [
    name,
    (args: unknown) => withHeartbeat((report, signal) => work(args, report, signal)),
  ]);
  return Object.fromEntries(activities) as Activities;
}
