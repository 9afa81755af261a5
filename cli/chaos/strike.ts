/** Injects one fault after another into a run. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Stage } from '../../config/stages.ts';
import type { Random } from '../../lib/random.ts';

/** A kind of fault that the run recovers from. */
export interface Harm<Target> {
  /** Display name, such as `kill -9 of the gpu worker`. */
  name: string;
  /** Milliseconds before the same fault may repeat, as a process that dies too often is not restarted. */
  rest: number;
  /** Stages during which the fault has a target; default: all. */
  stages?: readonly Stage[];
  /** Injects the fault. @returns undefined when there was no target */
  do(target: Target, signal: AbortSignal): Promise<Blow | undefined>;
}

export interface Blow {
  /** Processes that it killed. */
  pids: number[];
  /** Returns whether other processes have taken over by now. Absent where the fault ends with its injection. */
  over?(): Promise<boolean>;
}

export interface StrikeOptions {
  random: Random;
  /** Minimum and maximum of the milliseconds between two faults. */
  every: readonly [number, number];
  /** Maximum number of faults of each kind; default: no limit. */
  each?: number;
  /** Returns the share of `each`, from 0 to 1, that faults without `stages` may have reached by now; default: 1. */
  share?: () => number;
  /** Returns whether the run has advanced far enough since the last fault; default: always. */
  due?: () => boolean;
  /** Returns the running stage. While it is undefined, only faults without `stages` may happen. Default: all faults may happen. */
  stage?: () => Stage | undefined;
  /** Called after each fault. */
  onStrike(strike: Strike): void;
  /** Called when the run has recovered from a fault. */
  onOver?(strike: Strike): void;
}

export interface Strike {
  name: string;
  pids: number[];
  /** Milliseconds since the epoch. */
  at: number;
  /** Seconds until the killed processes were replaced; null until then. */
  away: number | null;
}

const LOOK_MS = 100;

/** Injects one of the least frequent possible faults after each pause. Resolves when all are done, or `signal` is aborted. */
export async function strike<Target>(
  target: Target,
  harms: readonly Harm<Target>[],
  { random, every, each = Number.POSITIVE_INFINITY, share = () => 1, due, stage, onStrike, onOver }: StrikeOptions,
  signal: AbortSignal,
): Promise<void> {
  const times = new Map<Harm<Target>, number>();
  const last = new Map<Harm<Target>, number>();
  const watching: Promise<void>[] = [];
  const timesOf = (harm: Harm<Target>) => times.get(harm) ?? 0;
  /** Returns the least frequent of the faults that are possible now. */
  const next = () => {
    if (due && !due()) return [];
    const possible = harms
      .filter(harm => timesOf(harm) < each)
      .filter(harm => performance.now() - (last.get(harm) ?? Number.NEGATIVE_INFINITY) >= harm.rest)
      .filter(harm => harm.stages || timesOf(harm) < each * share())
      .filter(({ stages }) => !stage || !stages || stages.some(one => one === stage()));
    const least = Math.min(...possible.map(timesOf));
    return possible.filter(harm => timesOf(harm) === least);
  };
  let wait = random.between(...every);
  for (;;) {
    await sleep(wait, undefined, { signal }).catch(() => {});
    if (signal.aborted || harms.every(harm => timesOf(harm) >= each)) break;
    // While no fault is possible, looks again soon, because a fast run would end before another whole pause.
    wait = LOOK_MS;
    const rare = next();
    if (rare.length === 0) continue;
    const harm = random.pick(rare);
    const at = Date.now();
    const blow = await harm.do(target, signal);
    if (!blow) continue;
    wait = random.between(...every);
    last.set(harm, performance.now());
    times.set(harm, timesOf(harm) + 1);
    const done: Strike = { name: harm.name, pids: blow.pids, at, away: null };
    onStrike(done);
    if (blow.over) watching.push(untilOver(done, blow.over, signal).then(() => onOver?.(done)));
  }
  await Promise.all(watching);
}

async function untilOver(strike: Strike, over: () => Promise<boolean>, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    if (await over()) {
      strike.away = (Date.now() - strike.at) / 1000;
      return;
    }
    await sleep(LOOK_MS, undefined, { signal }).catch(() => {});
  }
}
