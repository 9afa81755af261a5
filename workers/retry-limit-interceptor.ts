/** Applies the rules of activities/failures.ts to every activity of a worker. */
import { ApplicationFailure, CompleteAsyncError, type Context, heartbeat } from '@temporalio/activity';
import { CancelledFailure } from '@temporalio/common';
import type { ActivityInboundCallsInterceptor } from '@temporalio/worker';
import { failureKind, finalFailure, TRIES_WITHOUT_PROGRESS } from '../activities/failures.ts';
import { reportedDetails } from '../activities/heartbeat.ts';
import { discarded } from '../activities/run/discard.ts';
import { makeSafe, quote } from '../lib/quote.ts';
import { lineOf } from '../lib/system-errors.ts';
import { StoreRefusal } from '../storage/s3-errors.ts';
import { CorruptObject } from '../storage/store.ts';
import { retryingSignal } from '../workflows/signals.ts';

/** Heartbeat details. `wasted` grows with each attempt that fails, and does not count as progress. */
type Counted = { failures?: number; wasted?: unknown } & Record<string, unknown>;

/**
 * Makes an error final after too many failures in a row without progress. The count is kept in the heartbeat details, which the
 * server hands from attempt to attempt. An attempt that is lost with its machine leaves no failure, so it does not count.
 */
export function failurePolicy({ info }: Context): ActivityInboundCallsInterceptor {
  const counted = (error: unknown): unknown => {
    const { failures: before = 0, wasted, ...earlier } = (info.heartbeatDetails ?? {}) as Counted;
    const { failures: _, wasted: latest, ...now } = (reportedDetails() ?? { ...earlier, wasted }) as Counted;
    const failures = JSON.stringify(now) === JSON.stringify(earlier) ? before + 1 : 1;
    if (failures < TRIES_WITHOUT_PROGRESS) {
      heartbeat({ ...now, ...(latest !== undefined && { wasted: latest }), failures });
      return error;
    }
    const trouble = `got the same trouble ${failures} times in a row: ${lineOf(error)}`;
    return finalFailure('GaveUp', `Expected ${info.activityType} to get on, ${trouble}`, error);
  };
  return {
    execute: (input, next) =>
      next(input).catch(async cause => {
        const error = cause instanceof CorruptObject ? await discarded(cause).catch(failed => failed) : cause;
        makeSafe(error);
        switch (failureKind(error)) {
          case 'stated':
          case 'passing':
            throw error;
          case 'refused':
            throw finalFailure(error instanceof StoreRefusal ? 'StoreRefusal' : 'SystemError', lineOf(error), error);
          case 'defect':
            throw finalFailure('Defect', `Defect in ${info.activityType}: ${lineOf(error)}`, error);
          case 'other':
            throw counted(error);
        }
      }),
  };
}

/** Signals the run when one of its activities fails repeatedly. Workflow code cannot see the attempts of its activities. */
export function retryNotice(context: Context): ActivityInboundCallsInterceptor {
  const { workflowExecution, activityId, activityType, attempt, scheduledTimestampMs } = context.info;
  /** Signals without waiting: the notice is only displayed. */
  const tell = (reason: string | null) => {
    // The id of a stage is `<run>/<name>`.
    const run = workflowExecution?.workflowId.split('/')[0];
    if (run === undefined) return;
    const id = `${workflowExecution?.workflowId} ${activityId}`;
    const retry = { id, activity: activityType, attempts: attempt, since: scheduledTimestampMs };
    context.client.workflow
      .getHandle(run)
      .signal(retryingSignal, { ...retry, reason: reason === null ? null : quote(reason, 500) })
      .catch(() => {});
  };
  return {
    async execute(input, next) {
      try {
        const result = await next(input);
        if (attempt > 2) tell(null);
        return result;
      } catch (error) {
        // Signals at powers of two, so that days of failures do not fill the run's history.
        if (attempt > 1 && Number.isInteger(Math.log2(attempt)) && isTriedAgain(error)) tell(lineOf(error));
        throw error;
      }
    },
  };
}

function isTriedAgain(error: unknown): boolean {
  if (error instanceof CancelledFailure || error instanceof CompleteAsyncError) return false;
  return !(error instanceof ApplicationFailure && (error.nonRetryable === true || error.type === 'WorkerShutdown'));
}
