/** How a running activity and the worker that goes away come to terms: it ends in time, or it is given back. */
import { CancelledFailure } from '@temporalio/common';

/** Milliseconds until the activity's result is stored, as far as it can tell; undefined while it cannot. */
export type Forecast = () => number | undefined;

/** Why an activity is given back: the first is what the SDK itself says at a shutdown. */
export type LeavingWord = 'WORKER_SHUTDOWN' | 'SPOT_NOTICE';

/** An activity's end of the agreement; one for each attempt, made by the worker that runs it. */
export class Leave {
  private readonly controller = new AbortController();
  /** What the activity itself knows of its end. */
  forecast: Forecast = () => undefined;

  /** Aborts when the activity must be given back; the reason's message is one of the words above. */
  get signal(): AbortSignal {
    return this.controller.signal;
  }

  giveBack(word: LeavingWord): void {
    this.controller.abort(new CancelledFailure(word));
  }
}
