/** What a range may look like. */
import type { ByteRange } from './store.ts';

/** @throws RangeError for one that no object has */
export function checkRange(range: ByteRange | undefined): void {
  for (const [name, value] of Object.entries(range ?? {})) {
    if (!Number.isSafeInteger(value) || value < 0) {
      throw new RangeError(`Expected \`${name}\` of a range to be an integer from 0, got \`${value}\``);
    }
  }
}
