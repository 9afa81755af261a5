/** What the uploads of all drivers share: how an object is cut into parts, and who is still at work on them. */
import type { UploadOptions } from './store.ts';

export interface Parts {
  /** How many there are. */
  count: number;
  lengthOf(n: number): number;
  /** @throws RangeError for a part that is none, or of another length */
  expect(n: number, length: number): void;
}

/** @throws RangeError for sizes that are none */
export function partsOfUpload(key: string, { size, partSize }: Pick<UploadOptions, 'size' | 'partSize'>): Parts {
  if (!Number.isSafeInteger(size) || size < 0 || !Number.isSafeInteger(partSize) || partSize < 1) {
    throw new RangeError(`Expected size and partSize of ${key} to be whole numbers, got ${size} and ${partSize}`);
  }
  const count = Math.ceil(size / partSize);
  const lengthOf = (n: number) => Math.min(partSize, size - n * partSize);
  return {
    count,
    lengthOf,
    expect(n, length) {
      if (Number.isInteger(n) && n >= 0 && n < count && length === lengthOf(n)) return;
      throw new RangeError(`Expected ${count} parts of ${partSize} bytes for ${key}, got part ${n} of ${length} bytes`);
    },
  };
}

export interface WorkUnderWay {
  /** Counts the work until it has ended, well or not. */
  during<Result>(work: Promise<Result>): Promise<Result>;
  /** All that was under way has ended. */
  settled(): Promise<void>;
}

/** Nothing may be closed, published or removed while somebody still writes to it. */
export function workUnderWay(): WorkUnderWay {
  const underWay = new Set<Promise<unknown>>();
  return {
    during(work) {
      underWay.add(work);
      const over = () => underWay.delete(work);
      work.then(over, over);
      return work;
    },
    async settled() {
      await Promise.allSettled(underWay);
    },
  };
}
