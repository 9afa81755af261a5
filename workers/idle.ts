/** Ends a worker that finds nothing to do, for machines that cost money. */
import type { Departure } from './departure.ts';

const UNITS = { s: 1_000, m: 60_000, h: 3_600_000 } as const;

/**
 * @param text `90s`, `10m`, `1.5h`
 * @returns ms
 * @throws Error with one line for a person
 */
export function parseIdleTime(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(s|m|h)$/.exec(text.trim());
  const ms = match ? Number(match[1]) * UNITS[match[2] as keyof typeof UNITS] : 0;
  if (ms > 0 && ms < 2 ** 31) return ms;
  throw new Error(
    `Expected --exit-when-idle (RETINOPATHY_EXIT_WHEN_IDLE) to be a time such as 90s, 10m or 1.5h, got \`${text}\``,
  );
}

/** Lets the worker leave when it has run no activity for `limit` ms. @returns how to stop watching */
export function leaveWhenIdle(departure: Departure, limit: number): () => void {
  let timer: NodeJS.Timeout;
  const look = () => {
    const { idleSince } = departure.running;
    const left = idleSince === undefined ? limit : idleSince + limit - Date.now();
    if (left <= 0) {
      // What comes in this moment may end: the machine has time.
      departure.leave({
        why: `nothing to do for ${limit / 1000} s`,
        word: 'WORKER_SHUTDOWN',
        by: Number.POSITIVE_INFINITY,
      });
      return;
    }
    timer = setTimeout(look, left);
  };
  look();
  return () => clearTimeout(timer);
}
