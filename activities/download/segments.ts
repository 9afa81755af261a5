/** How a file is cut into segments: segment i of the transfer is part i of the store's upload. Pure. */
import type { ByteRange } from '../../storage/store.ts';

export interface SegmentSettings {
  /** Largest segment in bytes. */
  partSize: number;
  /** Smallest segment in bytes, the last one apart: S3 takes no smaller part. */
  minPartSize: number;
  /** Connections that a file should keep busy, whatever its size: a small one is cut accordingly. */
  inFlight: number;
}

const MIB = 1 << 20;
/** S3's limit. */
const MAX_PARTS = 10_000;

/** 32 MiB on each of twenty connections: at most 640 MiB to fetch again after a kill. */
export const SEGMENTS: SegmentSettings = { partSize: 32 * MIB, minPartSize: 5 * MIB, inFlight: 4 };

/** Bytes of each segment but the last: as large as allowed, but so that a small file keeps all of its connections busy, too. */
export function segmentSize(size: number, { partSize, minPartSize, inFlight }: SegmentSettings): number {
  // Whole MiB: offsets that people can read.
  const share = wholeMib(size / inFlight);
  const wanted = Math.min(partSize, Math.max(minPartSize, share));
  const least = size / MAX_PARTS;
  return wanted >= least ? wanted : wholeMib(least);
}

const wholeMib = (bytes: number) => Math.ceil(bytes / MIB) * MIB;

/** The ranges of a file of `size` bytes, in order. */
export function planSegments(size: number, length: number): ByteRange[] {
  return Array.from({ length: Math.ceil(size / length) }, (_, n) => ({
    offset: n * length,
    length: Math.min(length, size - n * length),
  }));
}
