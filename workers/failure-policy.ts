/** Applies the rules of activities/failures.ts to every activity of a worker. */

import type { Context } from '@temporalio/activity';
import { heartbeat } from '@temporalio/activity';
import type { ActivityExecuteInput, ActivityInboundCallsInterceptor, Next } from '@temporalio/worker';
import { failureKind, finalFailure, TRIES_WITHOUT_PROGRESS } from '../activities/failures.ts';
import { reportedDetails } from '../activities/heartbeat.ts';

type Counted = { failures?: number } & Record<string, unknown>;

/**
 * Details are kept by the server from attempt to attempt: that is where failures in a row are counted. Attempts that were lost
 * with their machine leave no failure, and so don't count.
 */
export class FailurePolicy implements ActivityInboundCallsInterceptor {
  private readonly context: Context;

  constructor(context: Context) {
    this.context = context;
  }

  async execute(input: ActivityExecuteInput, next: Next<ActivityInboundCallsInterceptor, 'execute'>): Promise<unknown> {
    try {
      return await next(input);
    } catch (error) {
      switch (failureKind(error)) {
        case 'stated':
        case 'passing':
          throw error;
        case 'refused':
          throw finalFailure('StoreRefusal', message(error), error);
        case 'defect':
          throw finalFailure('Defect', `Defect in ${this.context.info.activityType}: ${message(error)}`, error);
        case 'other':
          throw this.counted(error);
      }
    }
  }

  private counted(error: unknown): unknown {
    const { failures: before = 0, ...earlier } = (this.context.info.heartbeatDetails ?? {}) as Counted;
    const { failures: _, ...now } = (reportedDetails() ?? earlier) as Counted;
    const failures = JSON.stringify(now) === JSON.stringify(earlier) ? before + 1 : 1;
    if (failures < TRIES_WITHOUT_PROGRESS) {
      heartbeat({ ...now, failures });
      return error;
    }
    return finalFailure(
      'GaveUp',
      `Expected ${this.context.info.activityType} to get on, got the same trouble ${failures} times in a row: ${message(error)}`,
      error,
    );
  }
}

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
