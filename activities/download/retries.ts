/** Trouble on the way that a wait cures, and how long to wait. */
import { ApplicationFailure } from '@temporalio/activity';

/** Trouble that passes by itself. Its message holds a host at most, never an address. */
export class Transient extends Error {
  override readonly name: string = 'Transient';
  /** Milliseconds the other side asks to wait. */
  readonly retryAfterMs: number | undefined;
  constructor(message: string, retryAfterMs?: number) {
    super(message);
    this.retryAfterMs = retryAfterMs;
  }
}

/** An answer that is none, such as a page where bytes should be: worth some tries, but not for ever. */
export class BadAnswer extends Transient {
  override readonly name = 'BadAnswer';
}

export interface Patience {
  /** Tries in a row without progress before the activity fails and is retried as a whole. */
  tries: number;
  /** Milliseconds before the second try, doubled for each further one. */
  backoffMs: number;
}

/** Long enough for a short outage, short enough that the workflow sees a longer one: 6 tries wait 0.5 + 1 + 2 + 4 + 8 s. */
export const PATIENCE: Patience = { tries: 6, backoffMs: 500 };

/** A longer wait than this gives the worker's slot back. */
const LONGEST_WAIT_MS = 30_000;
const LONGEST_BACKOFF_MS = 15_000;

/** Tries in a row at the same thing. */
export interface Tries {
  /** Waits before the next try. @throws `error` where none is worth it; a retryable failure with its own delay when the other side asks for more than 30 s */
  wait(error: unknown): Promise<void>;
  /** There was progress: the count begins anew. */
  reset(): void;
}

export function countTries({ tries, backoffMs }: Patience, signal: AbortSignal): Tries {
  let failures = 0;
  return {
    async wait(error) {
      if (!(error instanceof Transient)) throw error;
      const asked = error.retryAfterMs ?? 0;
      if (asked > LONGEST_WAIT_MS) {
        throw ApplicationFailure.create({ message: error.message, type: 'RateLimited', nextRetryDelay: asked });
      }
      failures += 1;
      if (failures >= tries) throw error;
      const backoff = Math.min(backoffMs * 2 ** (failures - 1), LONGEST_BACKOFF_MS);
      // Twenty segments that fail together must not come back together.
      await pause(Math.max(asked, backoff * (0.5 + Math.random() / 2)), signal);
    },
    reset() {
      failures = 0;
    },
  };
}

/** Repeats `work` while it fails with `Transient`, waiting longer each time or as long as the other side asks. */
export async function withRetries<Result>(
  work: () => Promise<Result>,
  patience: Patience,
  signal: AbortSignal,
): Promise<Result> {
  const tries = countTries(patience, signal);
  for (;;) {
    try {
      return await work();
    } catch (error) {
      await tries.wait(error);
    }
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', onAbort);
      resolve();
    }, ms);
    signal.addEventListener('abort', onAbort, { once: true });
  });
}
