/**
 * What to do with connections that have become free when nothing is left to begin: near its end a file is as slow as its slowest
 * connection. Pure.
 */

/** A connection at work, as the decisions see it. */
export interface Running {
  /** Bytes that it has yet to bring. */
  left: number;
  /** Bytes and milliseconds since it began or was replaced. */
  received: number;
  elapsedMs: number;
}

/** Half of what is left is given away only where it is worth a request of its own. */
const LEAST_LEFT = 8 << 20;
/** Before that nobody knows how fast a connection is. */
const LEAST_AGE_MS = 3_000;
/** A connection this much slower than the usual one is replaced. */
const SLOW = 0.25;

/** The one whose rest takes longest, if it is worth sharing with a free connection; -1 for none. */
export function toShare(running: readonly Running[]): number {
  let slowest = -1;
  let longest = 0;
  for (const [n, { left, received, elapsedMs }] of running.entries()) {
    if (left < LEAST_LEFT) continue;
    // One that has brought nothing yet counts as a slow one.
    const time = left / Math.max(received / Math.max(elapsedMs, 1), 1);
    if (time <= longest) continue;
    longest = time;
    slowest = n;
  }
  return slowest;
}

/**
 * Those that are much slower than usual, for which a new connection should be tried.
 * @param usual bytes a millisecond of the connections that have ended
 */
export function toReplace(running: readonly Running[], usual: readonly number[]): number[] {
  if (usual.length === 0) return [];
  const median = [...usual].sort((a, b) => a - b)[usual.length >> 1]!;
  return running.flatMap(({ received, elapsedMs }, n) =>
    elapsedMs >= LEAST_AGE_MS && received / elapsedMs < SLOW * median ? [n] : [],
  );
}
