/** Reads the one-entry zip that Kaggle may wrap around a file: locates the file in it, and unpacks it. */
import { posix } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { crc32, createInflateRaw, inflateRawSync } from 'node:zlib';
import { quote } from '../../lib/quote.ts';
import { putLarge } from '../../storage/large.ts';
import type { Artifact, ArtifactStore, ByteRange } from '../../storage/store.ts';
import { finalFailure } from '../failures.ts';
import { FIRST_BYTES, foreignWhole } from '../zip/foreign-file.ts';
import { isDocument, isLeftBySystem } from '../zip/other-files.ts';
import { unreadablePacking } from '../zip/packing.ts';
import { DamagedArchive } from '../zip/virtual-file.ts';
import { type DirectoryRecord, readDirectory } from '../zip/zip-directory.ts';
import { readStored } from './stored.ts';

export interface WrappedFile {
  name: string;
  method: 'stored' | 'deflated';
  /** Offset of its data in the wrapper. */
  offset: number;
  /** Bytes of its data in the wrapper. */
  compressedSize: number;
  /** Bytes of the file itself. */
  size: number;
  /** CRC-32 of the file itself. */
  crc32: number;
}

export type ReadRange = (range: ByteRange) => Promise<Buffer>;

const LOCAL_HEADER = 30;
/** Limits of an error message: entries shown, and characters of each name. */
const [NAMES_SHOWN, LONGEST_SHOWN] = [3, 60];

/**
 * Reads the directory of a zip that holds one file. Entries that a system or a person added beside it are ignored.
 * @param wrapper its name, for errors
 * @throws `BadArchive` when it is no zip, does not hold exactly one file, or packs it by an unknown method
 */
export async function readWrapper(wrapper: string, size: number, read: ReadRange): Promise<WrappedFile> {
  const { name, record } = onlyFile(wrapper, await readRecords(wrapper, size, read));
  const shown = short(name);
  const packing = unreadablePacking(record);
  if (packing !== undefined) {
    throw finalFailure(
      'BadArchive',
      `Expected ${quote(wrapper)} to hold ${shown} stored or deflated, got it ${packing}: unzip it, and give what is in it`,
    );
  }
  const header = await read({ offset: record.offset, length: LOCAL_HEADER });
  if (header.length < LOCAL_HEADER || header.readUInt32LE(0) !== 0x04034b50) {
    throw finalFailure('BadArchive', `Expected ${quote(wrapper)} to have a header before ${shown}, got something else`);
  }
  const offset = record.offset + LOCAL_HEADER + header.readUInt16LE(26) + header.readUInt16LE(28);
  if (offset + record.compressedSize > size) {
    throw finalFailure('BadArchive', `Expected ${quote(wrapper)} to hold ${shown} whole, got ${size} bytes of it`);
  }
  return {
    name: posix.basename(name),
    method: record.method === 0 ? 'stored' : 'deflated',
    offset,
    compressedSize: record.compressedSize,
    size: record.size,
    crc32: record.crc32 >>> 0,
  };
}

async function readRecords(wrapper: string, size: number, read: ReadRange): Promise<DirectoryRecord[]> {
  try {
    const zip = {
      size,
      parts: [{ name: wrapper }],
      read: (offset: number, length: number) => read({ offset, length }),
      partsHolding: () => wrapper,
    };
    return (await readDirectory(zip)).records;
  } catch (error) {
    if (!(error instanceof DamagedArchive)) throw error;
    const instead = foreignWhole(await read({ offset: 0, length: Math.min(FIRST_BYTES, size) }));
    throw finalFailure(
      'BadArchive',
      `Expected ${wrapper} to be a zip of one file, got ${instead ?? 'none that can be read: download it again'}`,
      error,
    );
  }
}

/** Returns the one file of the wrapper. @throws `BadArchive` when there is none, or more than one */
function onlyFile(wrapper: string, records: readonly DirectoryRecord[]): { name: string; record: DirectoryRecord } {
  const entries = records.map(record => ({ name: record.name.toString('utf8'), record }));
  const names = new Set(entries.map(({ name }) => name));
  const files = entries.filter(({ name }) => !name.endsWith('/') && !isLeftBySystem(name, names));
  const wanted = posix.extname(wrapper.replace(/\.zip$/i, ''));
  const found =
    files.length > 1 ? files.filter(({ name }) => posix.extname(name) === wanted || !isDocument(name)) : files;
  const [file, second] = found;
  if (file && !second) return file;
  const shown = found.slice(0, NAMES_SHOWN).map(({ name }) => short(name));
  const which = found.length === 0 ? '' : ` (${shown.join(', ')}${found.length > NAMES_SHOWN ? ', …' : ''})`;
  throw finalFailure(
    'BadArchive',
    `Expected ${wrapper} to be a zip of one file, got ${found.length} entries${which}: unzip it, and give what is needed of it`,
  );
}

function short(name: string): string {
  const text = JSON.stringify(name).slice(1, -1);
  return text.length <= LONGEST_SHOWN ? text : `${text.slice(0, LONGEST_SHOWN)}…`;
}

/**
 * Returns the file of a wrapper that is small enough for memory.
 * @throws `BadArchive` when the file is larger than `limit` bytes or damaged
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
      `Expected ${quote(file.name)} in ${quote(wrapper)} to have at most ${limit} bytes, got ${file.size}`,
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
  /** Key of the stored wrapper. */
  wrapper: string;
  file: WrappedFile;
  /** Prefix of the file's chunks in the store. */
  prefix: string;
  signal: AbortSignal;
}

/**
 * Inflates a wrapped file into chunks of its own. The output is the same each time, so chunks of an earlier attempt are not stored again.
 * @throws `BadArchive` when the CRC-32 or the size differs from the wrapper's directory
 */
export async function inflateStored(
  store: ArtifactStore,
  { wrapper, file, prefix, signal }: InflateOptions,
): Promise<Artifact> {
  const inflated = inflate(store, wrapper, file, signal);
  try {
    return await putLarge(
      store,
      prefix,
      { size: file.size, crc32c: null, read: inOrder(inflated, file.size) },
      { signal },
    );
  } catch (error) {
    throw isZlibError(error) ? damaged(wrapper, file, error.message) : error;
  } finally {
    await inflated.return(undefined);
  }
}

/** Yields the file's bytes. @throws `BadArchive` after the last of them when they differ from the size or CRC-32 in the directory */
async function* inflate(
  store: ArtifactStore,
  wrapper: string,
  file: WrappedFile,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const output = createInflateRaw({ chunkSize: 256 << 10 });
  const range = { offset: file.offset, length: file.compressedSize };
  // A failure of the input ends the output, which throws it below.
  pipeline(readStored(store, wrapper, range, signal), output, { signal }).catch(() => undefined);
  let sum = { crc32: 0, size: 0 };
  for await (const piece of output as AsyncIterable<Buffer>) {
    sum = { crc32: crc32(piece, sum.crc32), size: sum.size + piece.length };
    if (sum.size > file.size) throw damaged(wrapper, file, 'more bytes');
    yield piece;
  }
  if (sum.size !== file.size || sum.crc32 !== file.crc32) throw damaged(wrapper, file, 'other bytes');
}

/** Reads forward-only ranges from pieces that come once. Yields the last byte only after the pieces have ended without an error. */
function inOrder(pieces: AsyncGenerator<Buffer>, size: number): (range: ByteRange) => AsyncGenerator<Buffer> {
  let position = 0;
  let rest: Buffer = Buffer.alloc(0);
  return async function* ({ offset, length }) {
    while (position < offset + length) {
      if (rest.length === 0) {
        const next = await pieces.next();
        if (next.done) return;
        rest = next.value;
      }
      const skipped = Math.min(Math.max(0, offset - position), rest.length);
      const bytes = rest.subarray(skipped, Math.max(skipped, offset + length - position));
      position += skipped + bytes.length;
      rest = rest.subarray(skipped + bytes.length);
      if (position === size) await pieces.next();
      if (bytes.length > 0) yield bytes;
    }
  };
}

const isZlibError = (error: unknown): error is Error =>
  error instanceof Error && String((error as NodeJS.ErrnoException).code).startsWith('Z_');

const damaged = (wrapper: string, file: WrappedFile, got: string) =>
  finalFailure(
    'BadArchive',
    `Expected ${quote(file.name)} in ${quote(wrapper)} to have the CRC-32 and the ${file.size} bytes that its directory states, got ${got}`,
  );
