/** Heartbeats and the way an activity leaves when its worker goes away. */
import { ApplicationFailure, Context, cancellationDetails, heartbeat } from '@temporalio/activity';

/**
 * Runs `work` with a heartbeat every `everyMs`, carrying the latest details that `report` was given.
 * Cancellation aborts `signal`; when the worker is going away the activity fails retryably, to go on elsewhere in a second.
 */
export async function withHeartbeat<Details, Result>(
  work: (report: (details: Details) => void, signal: AbortSignal) => Promise<Result>,
  everyMs = 3_000,
): Promise<Result> {
  let latest: Details | undefined;
  heartbeat();
  const timer = setInterval(() => heartbeat(latest), everyMs);
  try {
    return await work(details => {
      latest = details;
    }, Context.current().cancellationSignal);
  } catch (error) {
    if (cancellationDetails()?.workerShutdown) {
      // The details travel with the failure, so that the next attempt can count what was lost.
      heartbeat(latest);
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
