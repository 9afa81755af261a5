/** Seconds by what they were spent on, one after the other. */
export class Stopwatch<Lap extends string> {
  /** Milliseconds since the epoch. */
  readonly startedAt = Date.now();
  readonly seconds: Partial<Record<Lap, number>> = {};
  private last = performance.now();
  private readonly first = this.last;

  /** Counts what has passed since the lap before as `lap`. */
  lap(lap: Lap): void {
    const now = performance.now();
    this.seconds[lap] = (this.seconds[lap] ?? 0) + (now - this.last) / 1000;
    this.last = now;
  }

  /** Seconds since the start. */
  all(): number {
    return (performance.now() - this.first) / 1000;
  }
}
