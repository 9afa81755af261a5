/** How a training goes on when a snapshot pair in the store turns out to be spoilt or gone. */
import { ActivityFailure, ApplicationFailure } from '@temporalio/workflow';
import type { SpoiltPair } from '../activities/training/types.ts';

/** A store that spoils what it is given so often in a row needs a person. */
const TIMES = 5;

/**
 * Does `work`; each time it finds a pair that cannot be used, has that trained again, and does it once more.
 * @throws what `work` throws otherwise, and the pair's failure when it keeps coming
 */
export async function withSoundPairs<Result>(
  work: () => Promise<Result>,
  trainAgain: (spoilt: SpoiltPair) => Promise<void>,
): Promise<Result> {
  for (let time = 1; ; time++) {
    try {
      return await work();
    } catch (error) {
      const spoilt = spoiltPairOf(error);
      if (!spoilt || time > TIMES) throw error;
      await trainAgain(spoilt);
    }
  }
}

function spoiltPairOf(error: unknown): SpoiltPair | undefined {
  const cause = error instanceof ActivityFailure ? error.cause : undefined;
  if (!(cause instanceof ApplicationFailure) || cause.type !== 'SpoiltPair') return undefined;
  return cause.details?.[0] as SpoiltPair | undefined;
}
