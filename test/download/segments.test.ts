import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createFairPool } from '../../activities/download/fair-pool.ts';
import { Transient } from '../../activities/download/retries.ts';
import { planSegments } from '../../activities/download/segments.ts';
import { SourceChanged, type SourceObject } from '../../activities/download/source.ts';
import { transferSegments } from '../../activities/download/transfer.ts';
import { combineCrc32c, crc32c } from '../../storage/checksum.ts';
import { createFileStore } from '../../storage/file.ts';
import type { ByteRange } from '../../storage/store.ts';
import { noise } from './world.ts';

const MIB = 1 << 20;
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'retinopathy-transfer-'));
});
afterEach(async () => {
  vi.useRealTimers();
  await rm(folder, { recursive: true, force: true });
});

type Connection = (range: ByteRange, signal: AbortSignal) => AsyncIterable<Buffer>;

/** Transfers `bytes` over connections that behave as `connect` says, and looks at the result. */
async function transfer(bytes: Buffer, segment: number, connections: number, connect: Connection) {
  const store = createFileStore(folder);
  const asked: ByteRange[] = [];
  const counted = { received: 0, placed: 0 };
  const object: SourceObject = {
    servedAs: 'file',
    version: { validator: '"1"', size: bytes.length },
    crc32c: null,
    stream(range, signal) {
      asked.push(range);
      return connect(range, signal);
    },
  };
  const ranges = planSegments(bytes.length, segment);
  const upload = await store.openUpload('file', options(bytes, segment));
  try {
    const checksums = await transferSegments(object, upload, ranges, {
      connections: createFairPool(connections),
      segments: createFairPool(2 * connections),
      patience: { tries: 3, backoffMs: 1 },
      signal: new AbortController().signal,
      onBytes(received, placed) {
        counted.received += received;
        counted.placed += placed;
      },
    });
    const whole = ranges.reduce((sum, { length }, n) => combineCrc32c(sum, checksums[n]!, length), 0);
    expect(whole).toBe(crc32c(bytes));
    await upload.complete(whole);
    expect((await store.get('file')).equals(bytes)).toBe(true);
    return { asked, received: counted.received };
  } finally {
    await upload.close();
  }
}

const options = (bytes: Buffer, partSize: number) => ({ size: bytes.length, partSize, sourceTag: 'x' });

/** Pieces of a range, 64 KiB each; before each one `at` is asked with the bytes that were sent. */
async function* pieces(bytes: Buffer, { offset, length }: ByteRange, at: (sent: number) => unknown = () => {}) {
  for (let sent = 0; sent < length; ) {
    await at(sent);
    const piece = bytes.subarray(offset + sent, offset + Math.min(length, sent + (64 << 10)));
    yield piece;
    sent += piece.length;
  }
}

describe('a connection', () => {
  it('that breaks goes on where it broke: nothing comes twice', async () => {
    const bytes = noise(5 * MIB + 17);
    let first = true;
    const { asked, received } = await transfer(bytes, 4 * MIB, 1, range =>
      pieces(bytes, range, sent => {
        if (sent !== 3 * MIB || !first) return;
        first = false;
        throw new Transient('Expected more, got ECONNRESET');
      }),
    );
    expect(received).toBe(bytes.length);
    expect(asked).toEqual([
      { offset: 0, length: 4 * MIB },
      { offset: 3 * MIB, length: MIB },
      { offset: 4 * MIB, length: MIB + 17 },
    ]);
  });

  it('that brings only crumbs is given up after some tries', async () => {
    const bytes = noise(2 * MIB);
    let tries = 0;
    const work = transfer(bytes, MIB, 1, range =>
      pieces(bytes, range, sent => {
        if (sent === 0) tries += 1;
        else throw new Transient('Expected more, got ECONNRESET');
      }),
    );
    await expect(work).rejects.toThrow('got ECONNRESET');
    expect(tries).toBe(3);
  });

  it('that fails for good ends the others, and what was placed stays', async () => {
    const bytes = noise(4 * MIB);
    let ended = 0;
    const work = transfer(bytes, MIB, 4, async function* (range, signal) {
      try {
        for await (const piece of pieces(bytes, range)) {
          if (range.offset === 2 * MIB) throw new SourceChanged('Expected the file to stay, got another');
          yield piece;
          signal.throwIfAborted();
          if (range.offset !== 0) await new Promise((_, reject) => signal.addEventListener('abort', reject));
        }
      } finally {
        ended += 1;
      }
    });
    await expect(work).rejects.toThrow(SourceChanged);
    expect(ended).toBe(4);
  });
});

describe('near the end', () => {
  it('a free connection takes half of what a slow one has left', async () => {
    const bytes = noise(32 * MIB);
    let helped = () => {};
    const help = new Promise<void>(resolve => {
      helped = resolve;
    });
    const { asked, received } = await transfer(bytes, 32 * MIB, 2, range =>
      pieces(bytes, range, async sent => {
        if (range.offset > 0) helped();
        else if (sent === 2 * MIB) await help;
      }),
    );
    expect(asked[0]).toEqual({ offset: 0, length: 32 * MIB });
    expect(asked[1]!.offset).toBeGreaterThanOrEqual(16 * MIB);
    expect(asked[1]!.offset + asked[1]!.length).toBe(32 * MIB);
    // At most a piece that was under way when its end came nearer.
    expect(received).toBeLessThanOrEqual(bytes.length + asked.length * (64 << 10));
  });

  it('a connection that crawls is replaced by a new one', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] });
    const bytes = noise(6 * MIB);
    let crawling = 0;
    const { asked, received } = await transfer(bytes, 4 * MIB, 2, (range, signal) =>
      pieces(bytes, range, async sent => {
        vi.advanceTimersByTime(10);
        if (range.offset > 0 || sent < MIB) return;
        crawling += 1;
        // The other connection ends, and time passes.
        while (crawling === 1 && !signal.aborted) {
          await new Promise(resolve => setImmediate(resolve));
          vi.advanceTimersByTime(1000);
        }
        signal.throwIfAborted();
      }),
    );
    expect(asked).toHaveLength(3);
    expect(asked[2]).toEqual({ offset: MIB, length: 3 * MIB });
    expect(received).toBe(bytes.length);
  });
});

it('brings only what is not there', async () => {
  const bytes = noise(3 * MIB);
  const second = bytes.subarray(MIB, 2 * MIB);
  const earlier = await createFileStore(folder).openUpload('file', options(bytes, MIB));
  await earlier.put(1, second, crc32c(second));
  await earlier.close();
  const { asked, received } = await transfer(bytes, MIB, 2, range => pieces(bytes, range));
  expect(asked.map(({ offset }) => offset)).toEqual([0, 2 * MIB]);
  expect(received).toBe(2 * MIB);
});
