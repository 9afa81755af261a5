/** Memory for parts that are being gathered: bounded, shared by all uploads, and used again instead of left to the collector. */

export interface PartBuffer {
  bytes: Buffer;
  /** Makes the memory another's. Idempotent. */
  giveBack(): void;
}

export interface PartBuffers {
  /** Waits, in turn, until there is memory for `size` bytes. One larger than all of it gets it when nothing else is in use. */
  take(size: number, signal: AbortSignal): Promise<PartBuffer>;
}

interface Waiting {
  size: number;
  got(buffer: PartBuffer): void;
}

/** Memory that nobody has wanted for so long is freed. */
const IDLE_MS = 30_000;

/** @param limit bytes, in use and kept for use */
export function createPartBuffers(limit: number): PartBuffers {
  const free: Buffer[] = [];
  const waiting: Waiting[] = [];
  let allocated = 0;
  let inUse = 0;
  let idle: NodeJS.Timeout | undefined;

  const forget = (buffer: Buffer) => {
    free.splice(free.indexOf(buffer), 1);
    allocated -= buffer.length;
  };

  function find(size: number): Buffer | undefined {
    free.sort((a, b) => a.length - b.length);
    const fitting = free.find(({ length }) => length >= size);
    if (fitting) {
      free.splice(free.indexOf(fitting), 1);
      return fitting;
    }
    while (allocated + size > limit && free.length > 0) forget(free[0]!);
    if (allocated + size > limit && allocated > 0) return undefined;
    allocated += size;
    return Buffer.allocUnsafeSlow(size);
  }

  function lend(whole: Buffer, size: number): PartBuffer {
    clearTimeout(idle);
    inUse++;
    let lent = true;
    return {
      bytes: whole.subarray(0, size),
      giveBack() {
        if (!lent) return;
        lent = false;
        inUse--;
        free.push(whole);
        serve();
        if (inUse === 0) {
          idle = setTimeout(() => {
            for (const buffer of [...free]) forget(buffer);
          }, IDLE_MS);
          idle.unref();
        }
      },
    };
  }

  function serve(): void {
    for (let next = waiting[0]; next; next = waiting[0]) {
      const buffer = find(next.size);
      if (!buffer) return;
      waiting.shift();
      next.got(lend(buffer, next.size));
    }
  }

  return {
    take(size, signal) {
      return new Promise((resolve, reject) => {
        signal.throwIfAborted();
        const abandon = () => {
          waiting.splice(waiting.indexOf(one), 1);
          reject(signal.reason);
          serve();
        };
        const one: Waiting = {
          size,
          got(buffer) {
            signal.removeEventListener('abort', abandon);
            resolve(buffer);
          },
        };
        signal.addEventListener('abort', abandon);
        waiting.push(one);
        serve();
      });
    },
  };
}
