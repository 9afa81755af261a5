/** Reads stored artifacts from start to end, in memory that does not grow with them. */
import { crc32 as zipCrc32 } from 'node:zlib';
import { openArtifact } from '../../storage/artifacts.ts';
import { crc32c as crc32cOf } from '../../storage/checksum.ts';
import { CHUNK_SIZE } from '../../storage/large.ts';
import type { ArtifactStore, ByteRange } from '../../storage/store.ts';

/** Opens an artifact by its key, chunked or not. */
export async function openStored(store: ArtifactStore, key: string): Promise<(range: ByteRange) => Promise<Buffer>> {
  const read = await openArtifact(store, { key });
  return ({ offset, length }) => read(offset, length);
}

/** Yields the bytes of a range, piece by piece. @throws Error when the artifact ends before the range does */
export async function* readStored(
  store: ArtifactStore,
  key: string,
  { offset, length }: ByteRange,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const read = await openArtifact(store, { key });
  const end = offset + length;
  for (let at = offset; at < end; ) {
    signal.throwIfAborted();
    // Reads up to the next chunk boundary, so that chunks are read whole and compared with their checksums.
    const bytes = await read(at, Math.min(CHUNK_SIZE - (at % CHUNK_SIZE), end - at));
    if (bytes.length === 0) throw new Error(`Expected ${key} to have ${end} bytes, got ${at}`);
    at += bytes.length;
    yield bytes;
  }
}

/** Returns both checksums of a range as unsigned 32-bit numbers: CRC-32C as stores and Kaggle use it, CRC-32 as zips do. */
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
