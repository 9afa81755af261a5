import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pLimit from 'p-limit';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { fetchFile, WrongBytes } from '../../activities/download/fetch-file.ts';
import { Transient } from '../../activities/download/retry.ts';
import { SourceChanged, type SourceObject } from '../../activities/download/source.ts';
import { crc32c } from '../../storage/checksum.ts';
import { createFileStore } from '../../storage/file.ts';
import { openLarge } from '../../storage/large.ts';
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

/** Fetches `bytes` over connections that behave as `connect` says, and looks at the result. */
async function transfer(
  bytes: Buffer,
  chunkSize: number,
  connections: number,
  connect: Connection,
  stated: number | null = null,
) {
  const store = createFileStore(folder);
  const asked: ByteRange[] = [];
  let received = 0;
  const object: SourceObject = {
    servedAs: 'file',
    version: { validator: '"1"', size: bytes.length },
    crc32c: stated,
    stream(range, signal) {
      asked.push(range);
      return connect(range, signal);
    },
  };
  const artifact = await fetchFile(object, 'file', {
    store,
    chunkSize,
    connections: pLimit(connections),
    patience: { tries: 3, backoffMs: 1 },
    slowMs: 30_000,
    signal: new AbortController().signal,
    onProgress({ fetched }) {
      received = fetched;
    },
  });
  expect(artifact.crc32c).toBe(crc32c(bytes));
  const read = await (await openLarge(store, artifact.key)).read({ offset: 0, length: bytes.length });
  expect(read.equals(bytes)).toBe(true);
  return { asked, received };
}

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

  it('that fails for good ends the others', async () => {
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

  it('that is hopelessly slower than the others is replaced, where it is', async () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    const bytes = noise(6 * MIB);
    let slow = true;
    const { asked, received } = await transfer(bytes, 2 * MIB, 1, range =>
      pieces(bytes, range, () => {
        vi.advanceTimersByTime(range.offset === 4 * MIB && slow ? 20_000 : 10);
      }),
    );
    slow = false;
    expect(received).toBe(bytes.length);
    // 64 KiB in 20 s, twice: more than 30 s of waiting.
    expect(asked.slice(0, 4)).toEqual([
      { offset: 0, length: 2 * MIB },
      { offset: 2 * MIB, length: 2 * MIB },
      { offset: 4 * MIB, length: 2 * MIB },
      { offset: 4 * MIB + (128 << 10), length: 2 * MIB - (128 << 10) },
    ]);
  });
});

it('takes turns with the other files of the process', async () => {
  const [one, two] = [noise(8 * MIB), noise(8 * MIB)];
  const store = createFileStore(folder);
  const connections = pLimit(2);
  const order: string[] = [];
  const fetched = [one, two].map((bytes, n) =>
    fetchFile(
      {
        servedAs: `file-${n}`,
        version: { validator: '"1"', size: bytes.length },
        crc32c: null,
        stream(range) {
          order.push(`file-${n}`);
          return pieces(bytes, range);
        },
      },
      `file-${n}`,
      {
        store,
        chunkSize: MIB,
        connections,
        patience: { tries: 3, backoffMs: 1 },
        slowMs: 30_000,
        signal: new AbortController().signal,
        onProgress() {},
      },
    ),
  );
  await Promise.all(fetched);
  expect(order.filter(name => name === 'file-0')).toHaveLength(8);
  // Neither waits until the other is done.
  expect(order.slice(0, 6)).toContain('file-1');
  expect(order.slice(-6)).toContain('file-0');
});

it('leaves nothing of bytes that are not what the source states', async () => {
  const bytes = noise(3 * MIB);
  await expect(transfer(bytes, MIB, 2, range => pieces(bytes, range), 1)).rejects.toThrow(WrongBytes);
  for await (const { key } of createFileStore(folder).list('')) expect.unreachable(key);
});

it('brings only what is not there', async () => {
  const bytes = noise(3 * MIB);
  const second = bytes.subarray(MIB, 2 * MIB);
  await createFileStore(folder).put(`file/00001-${crc32c(second).toString(16).padStart(8, '0')}`, second);
  const { asked, received } = await transfer(bytes, MIB, 2, range => pieces(bytes, range));
  expect(asked.map(({ offset }) => offset).sort((a, b) => a - b)).toEqual([0, 2 * MIB]);
  expect(received).toBe(2 * MIB);
});
