/** The activities that a worker process runs at this moment, on all of its queues. */
import type { Context } from '@temporalio/activity';
import type { ActivityInboundCallsInterceptor } from '@temporalio/worker';
import { attachLeave, reportedDetails } from '../activities/heartbeat.ts';
import { Leave } from '../activities/leaving.ts';

export interface RunningActivity {
  /** `trainSegment` */
  type: string;
  leave: Leave;
  /** Milliseconds until it ends, by its own forecast or else by the longest of its type so far; undefined when neither tells. */
  needs(now: number): number | undefined;
}

export class RunningActivities implements Iterable<RunningActivity> {
  private readonly running = new Set<RunningActivity>();
  private readonly longest = new Map<string, number>();
  private readonly onStart: (activity: RunningActivity) => void;
  private readonly onGivenBack: (activity: RunningActivity, details: unknown) => void;
  /** When the last one ended, or the worker started, in ms since the epoch; undefined while something runs. */
  idleSince: number | undefined = Date.now();

  /**
   * @param onStart before the activity's own code runs
   * @param onGivenBack with the heartbeat details that go to the next attempt
   */
  constructor(
    onStart: (activity: RunningActivity) => void,
    onGivenBack: (activity: RunningActivity, details: unknown) => void,
  ) {
    this.onStart = onStart;
    this.onGivenBack = onGivenBack;
  }

  [Symbol.iterator](): Iterator<RunningActivity> {
    return this.running.values();
  }

  interceptor(context: Context): ActivityInboundCallsInterceptor {
    return {
      execute: async (input, next) => {
        const startedAt = Date.now();
        const type = context.info.activityType;
        const leave = new Leave();
        attachLeave(context, leave);
        const activity: RunningActivity = {
          type,
          leave,
          needs: now => {
            const ends = startedAt + (this.longest.get(type) ?? 0);
            return leave.forecast() ?? (ends > now ? ends - now : undefined);
          },
        };
        this.running.add(activity);
        this.idleSince = undefined;
        this.onStart(activity);
        try {
          const result = await next(input);
          this.longest.set(type, Math.max(this.longest.get(type) ?? 0, Date.now() - startedAt));
          return result;
        } catch (error) {
          if (leave.signal.aborted) this.onGivenBack(activity, reportedDetails());
          throw error;
        } finally {
          this.running.delete(activity);
          if (this.running.size === 0) this.idleSince = Date.now();
        }
      },
    };
  }
}
