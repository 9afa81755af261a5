/** Stores one version of a source's file, chunk by chunk, over as many connections as the process has free. */

import pLimit, { type LimitFunction } from 'p-limit';
import { quote } from '../../lib/quote.ts';
import { hex } from '../../storage/checksum.ts';
import { type PutLargeOptions, putLarge } from '../../storage/large.ts';
import { type Artifact, type ArtifactStore, type ByteRange, ChecksumMismatch } from '../../storage/store.ts';
import { finalFailure } from '../failures.ts';
import { countTries, type Patience } from './retry.ts';
import type { SourceObject } from './source.ts';

export interface Progress {
  /** Bytes of the file that are stored. */
  bytes: number;
  /** Bytes of the whole file. */
  of: number;
  /** Bytes received over the network in this attempt, including those of failed tries. */
  fetched: number;
}

/** The file arrived whole but differs from the checksum that its source states. */
export class WrongBytes extends Error {
  override readonly name = 'WrongBytes';
}

export interface FetchTools {
  store: ArtifactStore;
  /** Connections of the process, shared by all files that it fetches. */
  connections: LimitFunction;
  patience: Patience;
  /** Milliseconds after which a slow connection is replaced. */
  slowMs: number;
  signal: AbortSignal;
  chunkSize?: number;
  onProgress(progress: Progress): void;
}

/** Bytes that a try must bring to count as progress. A server that sends less and hangs up uses up its retries. */
const PROGRESS = 256 << 10;
/** A connection this much slower than the file's others is replaced. */
const SLOW = 1 / 16;

/**
 * Stores the object below `prefix`. Chunks of an earlier attempt are kept, and the rest is fetched.
 * @throws SourceChanged when the source's file changes meanwhile
 * @throws WrongBytes when the bytes differ from the checksum that the source states; all of them are removed
 */
export async function fetchFile(object: SourceObject, prefix: string, tools: FetchTools): Promise<Artifact> {
  const { store, connections, signal, chunkSize, onProgress } = tools;
  const { size } = object.version;
  if (size === 0) {
    throw finalFailure(
      'BadArchive',
      `Expected ${quote(object.servedAs)} to hold something, got 0 bytes: download it again`,
    );
  }
  const progress = { bytes: 0, of: size, fetched: 0 };
  const report = (change: Partial<Progress>) => onProgress({ ...Object.assign(progress, change) });
  const rates: number[] = [];
  const read = (range: ByteRange, abort: AbortSignal) =>
    readRange(object, range, { ...tools, signal: abort, rates }, length =>
      report({ fetched: progress.fetched + length }),
    );
  // Each file has at most this many tasks in the shared queue, so files that are fetched at once take turns.
  const own = pLimit(connections.concurrency);
  const options: PutLargeOptions = {
    signal,
    limit: task => own(() => connections(task)),
    onStored: bytes => report({ bytes }),
    ...(chunkSize !== undefined && { chunkSize }),
  };
  try {
    return await putLarge(store, prefix, { size, crc32c: object.crc32c, read }, options);
  } catch (error) {
    if (!(error instanceof ChecksumMismatch)) throw error;
    const [stated, got] = [hex(object.crc32c!), hex(error.crc32c)];
    throw new WrongBytes(
      `Expected ${quote(object.servedAs)} to have the CRC-32C ${stated} that its source states, got ${got}`,
    );
  }
}

type ReadTools = Pick<FetchTools, 'patience' | 'slowMs' | 'signal'> & {
  /** Bytes per millisecond of the ranges that arrived whole. */
  rates: number[];
};

/** Yields a range over one connection after the other. Each connection resumes at the first missing byte. */
async function* readRange(
  object: SourceObject,
  { offset, length }: ByteRange,
  { patience, slowMs, signal, rates }: ReadTools,
  onBytes: (length: number) => void,
): AsyncGenerator<Buffer> {
  const tries = countTries(patience, signal);
  let at = 0;
  while (at < length) {
    const before = at;
    // Counts the time spent waiting for bytes, without the time that storing them takes.
    let waited = 0;
    let since = performance.now();
    try {
      for await (const piece of object.stream({ offset: offset + at, length: length - at }, signal)) {
        waited += performance.now() - since;
        at += piece.length;
        onBytes(piece.length);
        yield piece;
        if (waited > slowMs && (at - before) / waited < SLOW * median(rates)) break;
        since = performance.now();
      }
      if (at === length) rates.push((at - before) / Math.max(waited, 1));
    } catch (error) {
      signal.throwIfAborted();
      if (at - before >= PROGRESS) tries.reset();
      await tries.wait(error);
    }
  }
}

/** Returns the median, or 0 for an empty list. */
function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[numbers.length >> 1] ?? 0;
}
