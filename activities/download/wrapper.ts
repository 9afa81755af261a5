/** The one-entry zip that Kaggle may put around a file: where the file lies in it, and how to get it out. */
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { crc32, createInflateRaw, inflateRawSync } from 'node:zlib';
import { ApplicationFailure } from '@temporalio/activity';
import unzipper from 'unzipper';
import { combineCrc32c, crc32c } from '../../storage/checksum.ts';
import {
  type Artifact,
  type ArtifactStore,
  type ByteRange,
  ChecksumMismatch,
  type PartWriter,
  type Upload,
} from '../../storage/store.ts';
import { finalFailure } from '../failures.ts';
import { readStored } from './stored.ts';

export interface WrappedFile {
  name: string;
  method: 'stored' | 'deflated';
  /** Where its data begin in the wrapper. */
  offset: number;
  /** Bytes of the data in the wrapper. */
  compressedSize: number;
  /** Bytes of the file itself. */
  size: number;
  /** CRC-32 of the file itself. */
  crc32: number;
}

export type ReadRange = (range: ByteRange) => Promise<Buffer>;

/** A directory of one entry with the longest comment a zip may have fits well. */
const TAIL = 192 << 10;
const LOCAL_HEADER = 30;
const ENCRYPTED = 1;

/**
 * Reads the directory of a zip that holds one file.
 * @param wrapper its name, for errors
 * @throws `BadArchive` when it is no zip, holds anything but one file, or packs it in an unknown way
 */
export async function readWrapper(wrapper: string, size: number, read: ReadRange): Promise<WrappedFile> {
  const base = Math.max(0, size - TAIL);
  const tail = await read({ offset: base, length: size - base });
  // Everything comes from memory, in one chunk: unzipper ends the process when a stream fails while it opens.
  const source = {
    size: async () => size,
    stream: (offset: number) => Readable.from(offset < base ? [] : [tail.subarray(offset - base)]),
  };
  const directory = await unzipper.Open.custom(source).catch((error: Error) => {
    throw finalFailure(
      'BadArchive',
      `Expected ${wrapper} to be a zip of one file, got no directory (${error.message})`,
    );
  });
  const [entry, second] = directory.files;
  if (!entry || second || entry.type === 'Directory') {
    throw finalFailure(
      'BadArchive',
      `Expected ${wrapper} to be a zip of one file, got ${directory.files.length} entries`,
    );
  }
  if (entry.flags & ENCRYPTED || (entry.compressionMethod !== 0 && entry.compressionMethod !== 8)) {
    const how = entry.flags & ENCRYPTED ? 'an encrypted one' : `method ${entry.compressionMethod}`;
    throw finalFailure('BadArchive', `Expected ${wrapper} to hold ${entry.path} stored or deflated, got ${how}`);
  }
  const header = await read({ offset: entry.offsetToLocalFileHeader, length: LOCAL_HEADER });
  if (header.length < LOCAL_HEADER || header.readUInt32LE(0) !== 0x04034b50) {
    throw finalFailure('BadArchive', `Expected ${wrapper} to have a header before ${entry.path}, got something else`);
  }
  const offset = entry.offsetToLocalFileHeader + LOCAL_HEADER + header.readUInt16LE(26) + header.readUInt16LE(28);
  if (offset + entry.compressedSize > size) {
    throw finalFailure('BadArchive', `Expected ${wrapper} to hold ${entry.path} whole, got ${size} bytes of it`);
  }
  return {
    name: entry.path,
    method: entry.compressionMethod === 0 ? 'stored' : 'deflated',
    offset,
    compressedSize: entry.compressedSize,
    size: entry.uncompressedSize,
    crc32: entry.crc32 >>> 0,
  };
}

/**
 * The file in a wrapper small enough for memory.
 * @throws `BadArchive` when it is larger than `limit` bytes or damaged
 */
export async function unwrapSmall(
  wrapper: string,
  bytes: Buffer,
  limit: number,
): Promise<{ name: string; data: Buffer }> {
  const file = await readWrapper(wrapper, bytes.length, async ({ offset, length }) =>
    bytes.subarray(offset, offset + length),
  );
  if (file.size > limit) {
    throw finalFailure(
      'BadArchive',
      `Expected ${file.name} in ${wrapper} to have at most ${limit} bytes, got ${file.size}`,
    );
  }
  const packed = bytes.subarray(file.offset, file.offset + file.compressedSize);
  let data: Buffer;
  try {
    data = file.method === 'stored' ? packed : inflateRawSync(packed, { maxOutputLength: file.size + 1 });
  } catch (error) {
    throw damaged(wrapper, file, (error as Error).message);
  }
  if (data.length !== file.size || crc32(data) !== file.crc32) throw damaged(wrapper, file, 'other bytes');
  return { name: file.name, data };
}

export interface InflateOptions {
  wrapperKey: string;
  file: WrappedFile;
  /** Where the file goes. */
  key: string;
  partSize: number;
  sourceTag: string;
  signal: AbortSignal;
}

/**
 * Inflates a wrapped file into an object of its own, which appears only when its CRC-32 and size are those of the wrapper's
 * directory. The same bytes come out each time: parts that an earlier attempt stored are not stored again.
 * @throws `BadArchive` when the wrapper is damaged
 */
export async function inflateStored(store: ArtifactStore, options: InflateOptions): Promise<Artifact> {
  const { wrapperKey, file, key, partSize, sourceTag, signal } = options;
  const upload = await store.openUpload(key, { size: file.size, partSize, sourceTag });
  const parts = partsFrom(upload, partSize);
  let sum = { crc32: 0, size: 0 };
  const storeParts = async (inflated: AsyncIterable<Buffer>) => {
    for await (const piece of inflated) {
      sum = { crc32: crc32(piece, sum.crc32), size: sum.size + piece.length };
      if (sum.size > file.size) throw damaged(wrapperKey, file, 'more bytes');
      await parts.take(piece);
    }
  };
  try {
    const range = { offset: file.offset, length: file.compressedSize };
    const inflate = createInflateRaw({ chunkSize: 256 << 10 });
    await pipeline(readStored(store, wrapperKey, range, signal), inflate, storeParts, { signal });
    if (sum.size !== file.size || sum.crc32 !== file.crc32) throw damaged(wrapperKey, file, 'other bytes');
    const whole = await parts.end();
    await upload.complete(whole);
    return { key, size: sum.size, crc32c: whole };
  } catch (error) {
    const failure = isZlibError(error) ? damaged(wrapperKey, file, error.message) : error;
    // What came out of a damaged wrapper is good for nothing.
    if (failure instanceof ApplicationFailure || failure instanceof ChecksumMismatch) await upload.abort();
    throw failure;
  } finally {
    parts.release();
    await upload.close();
  }
}

/**
 * Fills an upload from its start to its end, piece by piece. Parts that it has are only compared.
 */
function partsFrom(upload: Upload, partSize: number) {
  let n = 0;
  let filled = 0;
  let own = 0;
  let whole = 0;
  let writer: PartWriter | undefined;
  const endPart = async () => {
    if (writer) await writer.finish(own);
    else if (upload.done.get(n) !== own) {
      throw new ChecksumMismatch(
        `Expected part ${n} to come out as it did before (CRC-32C ${upload.done.get(n)}), got ${own}`,
      );
    }
    writer?.release();
    whole = combineCrc32c(whole, own, filled);
    [n, filled, own, writer] = [n + 1, 0, 0, undefined];
  };
  return {
    async take(piece: Buffer): Promise<void> {
      for (let at = 0; at < piece.length; ) {
        if (filled === 0 && !upload.done.has(n)) writer = await upload.begin(n);
        const bytes = piece.subarray(at, at + Math.min(partSize - filled, piece.length - at));
        await writer?.write(filled, [bytes]);
        own = crc32c(bytes, own);
        filled += bytes.length;
        at += bytes.length;
        if (filled === partSize) await endPart();
      }
    },
    /** Ends the last part, which is smaller. @returns the CRC-32C of all that was taken */
    async end(): Promise<number> {
      if (filled > 0) await endPart();
      return whole;
    },
    /** After a failure. */
    release: () => writer?.release(),
  };
}

const isZlibError = (error: unknown): error is Error =>
  error instanceof Error && String((error as NodeJS.ErrnoException).code).startsWith('Z_');

const damaged = (wrapper: string, file: WrappedFile, got: string) =>
  finalFailure(
    'BadArchive',
    `Expected ${file.name} in ${wrapper} to have the CRC-32 and the ${file.size} bytes that its directory states, got ${got}`,
  );
