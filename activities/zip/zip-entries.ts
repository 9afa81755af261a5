/** Reads entries of the archive: neighbors in one large read, each checked against the directory. */

import { promisify } from 'node:util';
import { crc32, inflateRaw } from 'node:zlib';
import { quote } from '../../lib/quote.ts';
import { hex } from '../../storage/checksum.ts';
import type { VirtualFile } from './virtual-file.ts';

/** The bytes of an entry differ from its directory record. The entry is quarantined with this error's message as the reason. */
export class DamagedEntry extends Error {
  override readonly name = 'DamagedEntry';
}

/** Directory record of an entry that is stored or deflated. */
export interface ZipEntry {
  /** Name in the archive: `train/10_left.jpeg`. */
  name: string;
  /** Offset of the local header. */
  offset: number;
  compressedSize: number;
  /** Uncompressed bytes. */
  size: number;
  crc32: number;
  /** 0 stored, 8 deflated. */
  method: 0 | 8;
}

/** Neighboring entries and the bytes that hold them. */
export interface Window<Entry extends ZipEntry = ZipEntry> {
  entries: readonly Entry[];
  /** Offset of `bytes` within the archive. */
  offset: number;
  bytes: Buffer;
  /** Seconds that reading took. */
  seconds: number;
}

/** A few hundred reads for the whole archive. Each shard holds 16 MiB twice in memory: one window in use, and the next one being read. */
const WINDOW = 16 * 2 ** 20;
const LOCAL_HEADER = 30;
const LOCAL_SIGNATURE = 0x04034b50;
/** Bytes for the local header's extra field, whose length is not in the directory. */
const EXTRA = 64;

const inflate = promisify<Buffer, { maxOutputLength: number; chunkSize: number }, Buffer>(inflateRaw);

/**
 * Yields the windows that hold `entries`. Reads the next one while the caller works on the one before.
 * @param entries in order of their offset
 * @throws the errors of `VirtualFile.read`
 */
export async function* readWindows<Entry extends ZipEntry>(
  file: VirtualFile,
  entries: readonly Entry[],
): AsyncGenerator<Window<Entry>> {
  const groups = groupNeighbours(entries);
  const start = (group: readonly Entry[] | undefined) => {
    const reading = group === undefined ? undefined : readWindow(file, group);
    // A failed read-ahead throws when the caller asks for its window. It is ignored if the caller stops earlier.
    reading?.catch(() => undefined);
    return reading;
  };
  let next = start(groups[0]);
  for (let n = 0; n < groups.length; n++) {
    const window = await next!;
    next = start(groups[n + 1]);
    yield window;
  }
}

/**
 * Returns the uncompressed bytes of an entry. Reads an entry that looks damaged once more by itself, as a read may fail in transit.
 * @throws DamagedEntry naming the entry, its part and the problem; the errors of `VirtualFile.read`
 */
export async function readEntry(file: VirtualFile, window: Window, entry: ZipEntry): Promise<Buffer> {
  try {
    return await unpack(file, window, entry);
  } catch (error) {
    if (!(error instanceof DamagedEntry)) throw error;
    return unpack(file, await readWindow(file, [entry]), entry);
  }
}

function groupNeighbours<Entry extends ZipEntry>(entries: readonly Entry[]): Entry[][] {
  const groups: Entry[][] = [];
  let group: Entry[] = [];
  for (const entry of entries) {
    if (group.length > 0 && endOf(entry) - group[0]!.offset > WINDOW) {
      groups.push(group);
      group = [];
    }
    group.push(entry);
  }
  if (group.length > 0) groups.push(group);
  return groups;
}

function endOf(entry: ZipEntry): number {
  return entry.offset + LOCAL_HEADER + Buffer.byteLength(entry.name) + EXTRA + entry.compressedSize;
}

async function readWindow<Entry extends ZipEntry>(
  file: VirtualFile,
  entries: readonly Entry[],
): Promise<Window<Entry>> {
  const started = performance.now();
  const offset = entries[0]!.offset;
  const bytes = await file.read(offset, endOf(entries.at(-1)!) - offset);
  return { entries, offset, bytes, seconds: (performance.now() - started) / 1_000 };
}

async function unpack(file: VirtualFile, window: Window, entry: ZipEntry): Promise<Buffer> {
  const where = () => `${quote(entry.name)} (${file.partsHolding(entry.offset, endOf(entry) - EXTRA - entry.offset)})`;
  const header = entry.offset - window.offset;
  const problem = headerProblem(window.bytes.subarray(header), entry.name);
  if (problem !== undefined) throw new DamagedEntry(`Expected the header of ${where()}, got ${problem}`);

  const start = header + LOCAL_HEADER + Buffer.byteLength(entry.name) + window.bytes.readUInt16LE(header + 28);
  const packed =
    start + entry.compressedSize <= window.bytes.length
      ? window.bytes.subarray(start, start + entry.compressedSize)
      : await file.read(window.offset + start, entry.compressedSize);
  const bytes = entry.method === 0 ? packed : await inflateWhole(packed, entry.size, where);
  if (bytes.length !== entry.size) {
    throw new DamagedEntry(`Expected ${where()} to hold ${entry.size} bytes, got ${bytes.length}`);
  }
  const sum = crc32(bytes);
  if (sum !== entry.crc32) {
    throw new DamagedEntry(`Expected ${where()} to have CRC-32 ${hex(entry.crc32)}, got ${hex(sum)}`);
  }
  return bytes;
}

/** Describes how a local header differs from the directory; undefined when it does not. */
export function headerProblem(bytes: Buffer, name: string): string | undefined {
  if (bytes.length < LOCAL_HEADER || bytes.readUInt32LE(0) !== LOCAL_SIGNATURE) return 'other bytes';
  const found = bytes.toString('utf8', LOCAL_HEADER, LOCAL_HEADER + bytes.readUInt16LE(26));
  // The directory's names have slashes only.
  return found.replaceAll('\\', '/') === name ? undefined : `the header of "${quote(found)}"`;
}

/** Inflates in the thread pool, in one go. The size is known, so the result is one buffer, and a zip bomb stops there. */
async function inflateWhole(packed: Buffer, size: number, where: () => string): Promise<Buffer> {
  try {
    return await inflate(packed, { maxOutputLength: size, chunkSize: Math.max(64, size + 1) });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const got = code === 'ERR_BUFFER_TOO_LARGE' ? 'more' : message;
    throw new DamagedEntry(`Expected ${where()} to inflate to ${size} bytes, got ${got}`);
  }
}
