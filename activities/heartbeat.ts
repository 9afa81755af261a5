/** Heartbeats, and the way an activity leaves when its worker goes away. */
import { ApplicationFailure, Context, cancellationDetails, heartbeat } from '@temporalio/activity';

/** Well under a third of every heartbeat timeout. */
const EVERY_MS = 3_000;

const latestDetails = new WeakMap<Context, unknown>();

/** The details that the running activity has reported last. */
export function reportedDetails(): unknown {
  return latestDetails.get(Context.current());
}

/**
 * Runs `work` with a heartbeat every three seconds, carrying the details that `report` was given last.
 * Cancellation aborts `signal`; when the worker is going away the activity fails retryably, to go on elsewhere in a second.
 */
export async function withHeartbeat<Details, Result>(
  work: (report: (details: Details) => void, signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const context = Context.current();
  heartbeat(context.info.heartbeatDetails);
  const timer = setInterval(() => heartbeat(latestDetails.get(context) ?? context.info.heartbeatDetails), EVERY_MS);
  try {
    return await work(details => {
      latestDetails.set(context, details);
    }, context.cancellationSignal);
  } catch (error) {
    if (cancellationDetails()?.workerShutdown) {
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
