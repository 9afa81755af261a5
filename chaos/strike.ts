/** Has one harm after another come over a run. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Stage } from '../config/stages.ts';
import type { Random } from '../demo/random.ts';
import type { Harm } from './harm.ts';

export interface StrikeOptions {
  random: Random;
  /** Milliseconds between two harms, from and to. */
  every: readonly [number, number];
  /** How often each kind comes at most; default: without end. */
  each?: number;
  /** The share of them, from 0 to 1, that may have come by now, of kinds that come at any stage; default: all. */
  share?: () => number;
  /** Whether the run has come far enough since the last; default: always. */
  due?: () => boolean;
  /** The stage that runs; undefined while nobody knows, and then only what may come always comes. Default: all may come. */
  stage?: () => Stage | undefined;
  /** Told when one has been done. */
  onStrike(strike: Strike): void;
  /** Told when a killed process's work is taken up again. */
  onOver?(strike: Strike): void;
}

export interface Strike {
  name: string;
  pids: number[];
  /** Milliseconds since the epoch. */
  at: number;
  /** Seconds until the killed was replaced; null while it is not. */
  away: number | null;
}

const LOOK_MS = 100;

/** After each pause, of the kinds that may come one of those that came least. Resolves when all have come, or `signal` is aborted. */
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
  /** Those that may come now and came least. */
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
    // Where none can come now, one does as soon as it can: a fast run would be over before another pause is.
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
