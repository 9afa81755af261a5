/** Reads stored objects from end to end, in memory that does not grow with them. */
import { crc32 as zipCrc32 } from 'node:zlib';
import { crc32c as crc32cOf } from '../../storage/checksum.ts';
import type { ArtifactStore, ByteRange } from '../../storage/store.ts';

/** Large enough that a request to S3 costs little, small enough for five parts at once. */
const STEP = 8 << 20;

/** The bytes of a range, piece by piece. @throws Error when the object ends before the range does */
export async function* readStored(
  store: ArtifactStore,
  key: string,
  { offset, length }: ByteRange,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  for (let at = offset; at < offset + length; ) {
    signal.throwIfAborted();
    const bytes = await store.get(key, { offset: at, length: Math.min(STEP, offset + length - at) });
    if (bytes.length === 0) throw new Error(`Expected ${key} to have ${offset + length} bytes, got ${at}`);
    at += bytes.length;
    yield bytes;
  }
}

/** Both checksums of a range: CRC-32C as stores and Kaggle use it, CRC-32 as zips do. Unsigned 32 bit. */
export async function storedChecksums(
  store: ArtifactStore,
  key: string,
  range: ByteRange,
  signal: AbortSignal,
): Promise<{ crc32: number; crc32c: number }> {
  let crc32 = 0;
  let crc32c = 0;
  for await (const bytes of readStored(store, key, range, signal)) {
    crc32 = zipCrc32(bytes, crc32);
    crc32c = crc32cOf(bytes, crc32c);
  }
  return { crc32, crc32c };
}
