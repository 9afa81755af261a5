/** Foresees the end of a segment from its log: the iterations left at the rate so far, and the time that storing takes. */

/** Shared by the segments of a worker: milliseconds from the last iteration to the stored pair, of the one that ended last. */
export interface StoringTime {
  ms?: number;
}

/** Until a segment of this worker has been stored: two files of 41 MB for GoogLeNet, hashed and sent. */
const FIRST_STORING_MS = 10_000;

interface Moment {
  iteration: number;
  at: number;
}

export class Pace {
  private readonly storing: StoringTime;
  private to = 0;
  private first: Moment | undefined;
  private last: Moment | undefined;

  constructor(storing: StoringTime) {
    this.storing = storing;
  }

  /**
   * An iteration that the log has shown.
   * @param to last iteration of the segment; Caffe shows it once more after it has written the snapshot: it tells no rate
   * @param now ms
   */
  at(iteration: number, to: number, now: number): void {
    if (iteration >= to) return;
    this.to = to;
    this.last = { iteration, at: now };
    this.first ??= this.last;
  }

  /** The segment is in the store. */
  stored(now: number): void {
    const end = this.trainedAt();
    if (end !== undefined) this.storing.ms = Math.max(0, now - end);
  }

  /** Milliseconds until the segment is stored; undefined before the log has told a rate. */
  needs(now: number): number | undefined {
    const end = this.trainedAt();
    if (end === undefined) return undefined;
    return Math.max(0, end + (this.storing.ms ?? FIRST_STORING_MS) - now);
  }

  /** When the last iteration is done. */
  private trainedAt(): number | undefined {
    const { first, last } = this;
    if (!first || !last || last.iteration === first.iteration) return undefined;
    const msPerIteration = (last.at - first.at) / (last.iteration - first.iteration);
    return last.at + (this.to - last.iteration) * msPerIteration;
  }
}
