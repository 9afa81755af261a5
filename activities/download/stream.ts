/** A range of a segment that one connection at a time brings, and writes where it belongs. */
import { crc32c } from '../../storage/checksum.ts';
import type { ByteRange, PartWriter } from '../../storage/store.ts';
import type { SourceObject } from './source.ts';
import type { Running } from './tails.ts';

export interface Segment {
  n: number;
  range: ByteRange;
  writer: PartWriter;
  /** In the order of their places. */
  streams: Stream[];
}

export interface Stream {
  segment: Segment;
  /** Within the segment: its first byte, the first that is not in its place yet, and its end, which moves when the rest is shared. */
  start: number;
  at: number;
  end: number;
  /** Of what is in its place. */
  crc32c: number;
  /** Begin of the present connection (ms, as `performance.now()`), and bytes that it has brought. */
  since: number;
  received: number;
  /** Ends the present connection in favour of a new one. */
  replace: AbortController;
  done: boolean;
}

/** Hears of bytes that have been received, and of bytes that are in their place. */
export type OnBytes = (received: number, placed: number) => void;

export const streamOf = (segment: Segment, start: number, end: number): Stream => ({
  segment,
  start,
  at: start,
  end,
  crc32c: 0,
  since: performance.now(),
  received: 0,
  replace: new AbortController(),
  done: false,
});

/** Takes the second half of what a stream has left; what its connection has received and not yet written stays its own. */
export function halve(stream: Stream): Stream {
  const { segment, at, end } = stream;
  stream.end = end - Math.floor((end - at) / 2);
  const half = streamOf(segment, stream.end, end);
  segment.streams.splice(segment.streams.indexOf(stream) + 1, 0, half);
  return half;
}

export const speedOf = ({ at, end, received, since }: Stream): Running => ({
  left: end - at,
  received,
  elapsedMs: performance.now() - since,
});

/** One connection's worth of a stream. What has come is in its place when it returns or throws. */
export async function receive(
  stream: Stream,
  object: SourceObject,
  signal: AbortSignal,
  onBytes: OnBytes,
): Promise<void> {
  const { segment, at } = stream;
  stream.replace = new AbortController();
  stream.since = performance.now();
  stream.received = 0;
  const range = { offset: segment.range.offset + at, length: stream.end - at };
  const abort = AbortSignal.any([signal, stream.replace.signal]);
  for await (const piece of object.stream(range, abort)) {
    onBytes(piece.length, 0);
    stream.received += piece.length;
    // The end may have come nearer meanwhile.
    const wanted = stream.end - stream.at;
    const bytes = piece.length > wanted ? piece.subarray(0, wanted) : piece;
    const written = segment.writer.write(stream.at, [bytes]);
    const sum = crc32c(bytes, stream.crc32c);
    await written;
    stream.crc32c = sum;
    stream.at += bytes.length;
    onBytes(0, bytes.length);
    if (piece.length > wanted) break;
  }
}
