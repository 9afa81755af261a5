/** Validation of byte ranges. */
import type { ByteRange } from './store.ts';

/** Checks that both numbers are integers from 0. @throws RangeError when they are not */
export function checkRange(range: ByteRange | undefined): void {
  for (const [name, value] of Object.entries(range ?? {})) {
    if (!Number.isSafeInteger(value) || value < 0) {
      throw new RangeError(`Expected \`${name}\` of a range to be an integer from 0, got \`${value}\``);
    }
  }
}
