/**
 * How a worker goes away: it takes no new task, lets end what ends in time, and gives back the rest. The SDK knows only one way
 * for all activities alike, so its own cancellation at a shutdown is put off (`shutdownGraceTime`), and this decides.
 */
import type { Logger } from 'pino';
import type { LeavingWord } from '../activities/leaving.ts';
import { RunningActivities, type RunningActivity } from './running-activities.ts';

/** For activities that were given back and do not end. */
const FORCE_AFTER_MS = 15_000;
const LOOK_EVERY_MS = 500;
/** A forecast errs: by such a part of itself, and by so much at least. */
const MARGIN = { of: 0.25, ms: 5_000 };
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Whether what needs `needs` ms may run on with `left` ms left. What cannot tell its need may only where there is no end. */
export function endsInTime(needs: number | undefined, left: number): boolean {
  if (left === Number.POSITIVE_INFINITY) return true;
  return needs !== undefined && needs * (1 + MARGIN.of) + MARGIN.ms <= left;
}

export interface Reason {
  /** For the log: `Spot notice: terminate`. */
  why: string;
  /** For those whose activities are given back. */
  word: LeavingWord;
  /** By when nothing may run any more, in ms since the epoch: 0 gives all back at once, Infinity lets all end. */
  by: number;
}

export class Departure {
  readonly running: RunningActivities;
  /** Rejects when activities that were given back have not ended in a quarter of a minute. */
  readonly overdue: Promise<never>;
  private readonly log: Logger;
  private readonly stopPolling: () => void;
  private by: number | undefined;
  private word: LeavingWord = 'WORKER_SHUTDOWN';
  private giveUp: (error: Error) => void = () => {};
  private force: NodeJS.Timeout | undefined;
  private look: NodeJS.Timeout | undefined;

  /** @param stopPolling called once, when the departure begins */
  constructor(log: Logger, stopPolling: () => void) {
    this.log = log;
    this.stopPolling = stopPolling;
    this.running = new RunningActivities(activity => this.started(activity), this.givenBack);
    this.overdue = new Promise((_, reject) => {
      this.giveUp = reject;
    });
    this.overdue.catch(() => {});
  }

  /** Begins the departure, or brings its end forward. */
  leave({ why, word, by }: Reason): void {
    if (this.by !== undefined && by >= this.by) return;
    const begins = this.by === undefined;
    this.by = by;
    this.word = word;
    const left = by - Date.now();
    const time = left === Number.POSITIVE_INFINITY ? '' : left > 0 ? `, ${seconds(left)} left` : ', at once';
    this.log.info({ running: [...this.running].length }, `${why}: no new task${time}`);
    if (begins) this.stopPolling();
    clearTimeout(this.force);
    clearInterval(this.look);
    if (by !== Number.POSITIVE_INFINITY) {
      const patience = Math.max(0, left) + FORCE_AFTER_MS;
      this.force = setTimeout(
        () => {
          const types = [...this.running].map(({ type }) => type).join(', ');
          this.giveUp(
            new Error(`Expected ${types || 'the worker'} to end, got nothing for ${seconds(FORCE_AFTER_MS)}`),
          );
        },
        Math.min(patience, LONGEST_TIMER_MS),
      );
      this.look = setInterval(() => {
        for (const activity of this.running) this.decide(activity);
      }, LOOK_EVERY_MS);
    }
    for (const activity of this.running) {
      if (this.decide(activity)) this.log.info(`${activity.type} is let end: ${this.account(activity)}`);
    }
  }

  /** The worker has ended. */
  close(): void {
    clearTimeout(this.force);
    clearInterval(this.look);
  }

  /** A task may have been on its way when the worker stopped asking for more. */
  private started(activity: RunningActivity): void {
    if (this.by !== undefined) this.decide(activity);
  }

  /** @returns whether the activity may run on */
  private decide(activity: RunningActivity): boolean {
    const now = Date.now();
    if (activity.leave.signal.aborted) return false;
    if (endsInTime(activity.needs(now), this.by! - now)) return true;
    this.log.info(`${activity.type} is given back: ${this.account(activity)}`);
    activity.leave.giveBack(this.word);
    return false;
  }

  private account(activity: RunningActivity): string {
    const now = Date.now();
    const needs = activity.needs(now);
    const left = this.by! - now;
    return [
      needs === undefined ? 'its end is not known' : `it needs ${seconds(needs)}`,
      left === Number.POSITIVE_INFINITY ? 'no end is set' : `${seconds(Math.max(0, left))} left`,
    ].join(', ');
  }

  private readonly givenBack = ({ type }: RunningActivity, details: unknown): void => {
    this.log.info({ details }, `${type} was given back, to go on elsewhere`);
  };
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1000)} s`;
}
