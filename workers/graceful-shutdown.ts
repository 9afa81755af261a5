/** Shuts a worker down: it takes no new task, and one abort signal stops the activities that still run at a deadline. */
import type { Context } from '@temporalio/activity';
import { CancelledFailure } from '@temporalio/common';
import type { ActivityInboundCallsInterceptor } from '@temporalio/worker';
import type { Logger } from 'pino';
import { reportedDetails, shutdownSignal } from '../activities/heartbeat.ts';
import { quote } from '../lib/quote.ts';

/** Time that stopped activities get to end. */
const FORCE_AFTER_MS = 8_000;
const LONGEST_TIMER_MS = 2 ** 31 - 1;
const UNITS = { s: 1_000, m: 60_000, h: 3_600_000 } as const;

export interface Reason {
  /** Log text, such as `Spot notice: terminate`. */
  why: string;
  /** Deadline in ms since the epoch, at which running activities are stopped. 0 is at once; Infinity lets them end. */
  by: number;
}

/** Shutdown with a deadline for each reason. The SDK has one grace time, set when the worker starts. */
export class GracefulShutdown {
  /** Rejects when stopped activities have not ended after eight seconds. */
  readonly overdue: Promise<never>;
  /** Time at which the last activity ended or the worker started, in ms since the epoch; undefined while an activity runs. */
  idleSince: number | undefined = Date.now();
  private readonly running = new Set<Context>();
  private readonly controller = new AbortController();
  private readonly log: Logger;
  private readonly stopPolling: () => void;
  private by: number | undefined;
  private giveUp: (error: Error) => void = () => {};
  private timer: NodeJS.Timeout | undefined;

  /** @param stopPolling called once, when the shutdown begins */
  constructor(log: Logger, stopPolling: () => void) {
    this.log = log;
    this.stopPolling = stopPolling;
    this.overdue = new Promise((_, reject) => {
      this.giveUp = reject;
    });
    this.overdue.catch(() => {});
  }

  /** Begins the shutdown, or moves its deadline forward. */
  begin({ why, by }: Reason): void {
    if (this.by !== undefined && by >= this.by) return;
    const left = Math.max(0, by - Date.now());
    const time = left === Number.POSITIVE_INFINITY ? 'what runs may end' : `what runs is stopped in ${seconds(left)}`;
    this.log.info({ running: this.running.size }, `${why}: no new task, ${left === 0 ? 'what runs is stopped' : time}`);
    if (this.by === undefined) this.stopPolling();
    this.by = by;
    clearTimeout(this.timer);
    if (left === 0) this.stop();
    else if (left <= LONGEST_TIMER_MS) this.timer = setTimeout(() => this.stop(), left);
  }

  /** Clears the timers. */
  close(): void {
    clearTimeout(this.timer);
  }

  /** Hands the abort signal to each activity, and logs an activity that it stopped. */
  interceptor(context: Context): ActivityInboundCallsInterceptor {
    const { signal } = this.controller;
    return {
      execute: async (input, next) => {
        this.running.add(context);
        this.idleSince = undefined;
        try {
          return await shutdownSignal.run(signal, () => next(input));
        } catch (error) {
          const { activityType } = context.info;
          if (signal.aborted) this.log.info({ details: reportedDetails() }, `${activityType} was stopped`);
          throw error;
        } finally {
          this.running.delete(context);
          if (this.running.size === 0) this.idleSince = Date.now();
        }
      },
    };
  }

  private stop(): void {
    // The SDK itself uses this reason.
    this.controller.abort(new CancelledFailure('WORKER_SHUTDOWN'));
    this.timer = setTimeout(() => {
      const types = [...this.running].map(({ info }) => info.activityType).join(', ');
      this.giveUp(new Error(`Expected ${types || 'the worker'} to end, got nothing for ${seconds(FORCE_AFTER_MS)}`));
    }, FORCE_AFTER_MS);
  }
}

/** Shuts the worker down when it has run no activity for `limit` ms. @returns a function that stops the watch */
export function exitWhenIdle(shutdown: GracefulShutdown, limit: number): () => void {
  let timer: NodeJS.Timeout;
  const look = () => {
    const left = (shutdown.idleSince ?? Date.now()) + limit - Date.now();
    if (left > 0) timer = setTimeout(look, left);
    else shutdown.begin({ why: `nothing to do for ${seconds(limit)}`, by: Number.POSITIVE_INFINITY });
  };
  look();
  return () => clearTimeout(timer);
}

/**
 * Parses an idle time.
 * @param text `90s`, `10m`, `1.5h`
 * @returns ms
 * @throws Error with a one-line message
 */
export function parseIdleTime(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(s|m|h)$/.exec(text.trim());
  const ms = match ? Number(match[1]) * UNITS[match[2] as keyof typeof UNITS] : 0;
  if (ms > 0 && ms <= LONGEST_TIMER_MS) return ms;
  throw new Error(
    `Expected --exit-when-idle (RETINOPATHY_EXIT_WHEN_IDLE) to be a time such as 90s, 10m or 1.5h, got \`${quote(text)}\``,
  );
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1000)} s`;
}
