/** Something bad that comes over a run, and passes. Types only. */
import type { Stage } from '../config/stages.ts';

export interface Harm<Target> {
  /** For people: `kill -9 of the gpu worker`. */
  name: string;
  /** Milliseconds before the same may come again: a process that dies too often is not started again. */
  rest: number;
  /** While these run it has something to take; default: always. */
  stages?: readonly Stage[];
  /** @returns undefined when there was nothing to harm */
  do(target: Target, signal: AbortSignal): Promise<Blow | undefined>;
}

export interface Blow {
  /** Processes that it killed. */
  pids: number[];
  /** Whether others do their work by now; absent where the harm is over when it is done. */
  over?(): Promise<boolean>;
}
