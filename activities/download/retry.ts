/** Retries transient errors, with a backoff. */
import { ApplicationFailure } from '@temporalio/activity';

/** A transient error. Its message holds a host at most, never an address. */
export class Transient extends Error {
  override readonly name: string = 'Transient';
  /** Milliseconds that the server asks to wait. */
  readonly retryAfterMs: number | undefined;
  constructor(message: string, retryAfterMs?: number) {
    super(message);
    this.retryAfterMs = retryAfterMs;
  }
}

/** An unusable response, such as a web page instead of bytes. It is retried a few times, but not without limit. */
export class BadAnswer extends Transient {
  override readonly name = 'BadAnswer';
}

export interface Patience {
  /** Tries in a row without progress before the activity fails and is retried as a whole. */
  tries: number;
  /** Milliseconds before the second try, doubled for each further one. */
  backoffMs: number;
}

/** Long enough for a short outage, and short enough that the workflow sees a longer one. 6 tries wait 0.5 + 1 + 2 + 4 + 8 s. */
export const PATIENCE: Patience = { tries: 6, backoffMs: 500 };

/** Longest wait in the process. A longer one gives the worker's slot back. */
const LONGEST_WAIT_MS = 30_000;
const LONGEST_BACKOFF_MS = 15_000;

/** State of the tries in a row of one operation. */
export interface Tries {
  /**
   * Waits before the next try. @throws `error` when it is not transient or was the last try; a retryable failure with its own delay when
   * the server asks for more than 30 s
   */
  wait(error: unknown): Promise<void>;
  /** Restarts the count after progress. */
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
      // Twenty requests that fail together must not be retried together.
      await pause(Math.max(asked, backoff * (0.5 + Math.random() / 2)), signal);
    },
    reset() {
      failures = 0;
    },
  };
}

/** Repeats `work` while it fails with `Transient`. Each wait is longer than the one before, or as long as the server asks. */
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
