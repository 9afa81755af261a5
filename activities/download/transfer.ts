/**
 * The bytes of one file from its source into an upload: in segments, over as many connections as the process can spare. What has
 * arrived is written at once; a connection that breaks goes on where it broke; near the end the free ones help the slow ones.
 */
import { setMaxListeners } from 'node:events';
import { combineCrc32c } from '../../storage/checksum.ts';
import type { ByteRange, Upload } from '../../storage/store.ts';
import type { FairPool, Release } from './fair-pool.ts';
import { countTries, type Patience } from './retries.ts';
import type { SourceObject } from './source.ts';
import { halve, type OnBytes, receive, type Segment, type Stream, speedOf, streamOf } from './stream.ts';
import { toReplace, toShare } from './tails.ts';

/** What the files that a process transfers at once share. */
export interface TransferPools {
  connections: FairPool;
  /** Segments that are fetched or on their way to the disk: what a kill may cost. */
  segments: FairPool;
}

export interface TransferTools extends TransferPools {
  patience: Patience;
  signal: AbortSignal;
  onBytes: OnBytes;
}

/** Bytes that a try has to bring to count as progress: a server that sends crumbs and hangs up is none to stay with. */
const PROGRESS = 256 << 10;
/** How often slow connections are looked for. */
const LOOK_MS = 1_000;

/**
 * Brings the segments that the upload lacks.
 * @returns the CRC-32C of every segment, in order
 * @throws SourceChanged, or what the last of many tries threw; then nobody writes to the upload any more
 */
export async function transferSegments(
  object: SourceObject,
  upload: Upload,
  ranges: readonly ByteRange[],
  { connections, segments, patience, signal, onBytes }: TransferTools,
): Promise<number[]> {
  const checksums = ranges.map((_, n) => upload.done.get(n));
  const pending = [...ranges.keys()].filter(n => checksums[n] === undefined);
  if (pending.length === 0) return checksums as number[];

  // The first failure ends the others: none may still write when the upload is let go.
  const stop = new AbortController();
  const either = AbortSignal.any([signal, stop.signal]);
  setMaxListeners(0, either);
  const own = { connections: connections.join(), segments: segments.join() };
  const begun = new Map<Segment, Release>();
  const running: Stream[] = [];
  const serving = new Set<Promise<void>>();
  /** Bytes a millisecond of the connections that have ended well. */
  const usual: number[] = [];
  let wake = () => {};

  /** The next segment, else half of the stream that would take longest. */
  async function next(): Promise<Stream | undefined> {
    if (pending.length === 0) {
      const slow = running[toShare(running.map(speedOf))];
      return slow && halve(slow);
    }
    const release = await own.segments.acquire(either);
    const n = pending.shift()!;
    const range = ranges[n]!;
    const segment: Segment = { n, range, writer: await upload.begin(n), streams: [] };
    begun.set(segment, release);
    const stream = streamOf(segment, 0, range.length);
    segment.streams.push(stream);
    return stream;
  }

  /** Over one connection after the other, until all of it is there. */
  async function bring(stream: Stream): Promise<void> {
    const tries = countTries(patience, either);
    while (stream.at < stream.end) {
      const before = stream.at;
      try {
        await receive(stream, object, either, onBytes);
        usual.push(stream.received / Math.max(performance.now() - stream.since, 1));
      } catch (error) {
        either.throwIfAborted();
        if (stream.at - before >= PROGRESS) tries.reset();
        if (!stream.replace.signal.aborted) await tries.wait(error);
      }
    }
    stream.done = true;
  }

  async function finish(segment: Segment): Promise<void> {
    const { n, writer, streams } = segment;
    const whole = streams.reduce((sum, { crc32c, start, end }) => combineCrc32c(sum, crc32c, end - start), 0);
    await writer.finish(whole);
    letGo(segment);
    checksums[n] = whole;
  }

  function letGo(segment: Segment): void {
    segment.writer.release();
    begun.get(segment)?.();
    begun.delete(segment);
  }

  async function serve(stream: Stream, release: Release): Promise<void> {
    running.push(stream);
    try {
      await bring(stream);
    } catch (error) {
      // Before the connection is free: nothing more may begin.
      stop.abort(error);
      throw error;
    } finally {
      running.splice(running.indexOf(stream), 1);
      release();
      wake();
    }
    if (stream.segment.streams.every(({ done }) => done)) await finish(stream.segment);
  }

  function begin(stream: Stream, release: Release): void {
    const served = serve(stream, release);
    serving.add(served);
    served.then(
      () => serving.delete(served),
      error => stop.abort(error),
    );
  }

  const looking = setInterval(() => {
    if (pending.length > 0) return;
    for (const n of toReplace(running.map(speedOf), usual)) running[n]!.replace.abort();
  }, LOOK_MS);
  try {
    while (pending.length > 0 || running.length > 0) {
      if (pending.length === 0 && toShare(running.map(speedOf)) === -1) {
        await new Promise<void>(resolve => {
          wake = resolve;
        });
        continue;
      }
      const release = await own.connections.acquire(either);
      try {
        const stream = await next();
        if (stream) begin(stream, release);
        else release();
      } catch (error) {
        release();
        throw error;
      }
    }
    await Promise.all(serving);
  } catch (error) {
    stop.abort(error);
    throw stop.signal.reason;
  } finally {
    clearInterval(looking);
    await Promise.allSettled(serving);
    for (const segment of begun.keys()) letGo(segment);
  }
  return checksums as number[];
}
