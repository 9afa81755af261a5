/** Reads entries of the archive: neighbours in one large read, each checked against the directory. */
import { promisify } from 'node:util';
import { crc32, inflateRaw } from 'node:zlib';
import type { PictureEntry } from './check-entries.ts';
import type { VirtualFile } from './virtual-file.ts';

/** An entry whose bytes are not what the directory promises; it is set aside with this error's message as the reason. */
export class DamagedEntry extends Error {
  override readonly name = 'DamagedEntry';
}

/** Neighbouring entries and the bytes that hold them. */
export interface Window {
  entries: readonly PictureEntry[];
  /** Of `bytes` within the archive. */
  offset: number;
  bytes: Buffer;
  /** Seconds that reading took. */
  seconds: number;
}

/** A few hundred reads for the whole archive, and 16 MiB twice a shard in memory: one in work, one on its way. */
const WINDOW = 16 * 2 ** 20;
const LOCAL_HEADER = 30;
const LOCAL_SIGNATURE = 0x04034b50;
/** Room for the local header's extra field, whose length the directory does not tell. */
const EXTRA = 64;

const inflate = promisify<Buffer, { maxOutputLength: number; chunkSize: number }, Buffer>(inflateRaw);

/**
 * Reads the windows that hold `entries`, the next one while the caller works on the one before.
 * @param entries in order of their offset
 * @throws what `VirtualFile.read` throws
 */
export async function* readWindows(file: VirtualFile, entries: readonly PictureEntry[]): AsyncGenerator<Window> {
  const groups = groupNeighbours(entries);
  const start = (group: readonly PictureEntry[] | undefined) => {
    const reading = group === undefined ? undefined : readWindow(file, group);
    // Read ahead: when it fails, the caller hears of it on asking for it, or never when it stops before.
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
 * The uncompressed bytes of an entry. What looks damaged is read once more by itself: a read can go wrong on its way.
 * @throws DamagedEntry naming the entry, its part and what is wrong; what `VirtualFile.read` throws
 */
export async function readEntry(file: VirtualFile, window: Window, entry: PictureEntry): Promise<Buffer> {
  try {
    return await unpack(file, window, entry);
  } catch (error) {
    if (!(error instanceof DamagedEntry)) throw error;
    return unpack(file, await readWindow(file, [entry]), entry);
  }
}

function groupNeighbours(entries: readonly PictureEntry[]): PictureEntry[][] {
  const groups: PictureEntry[][] = [];
  let group: PictureEntry[] = [];
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

function endOf(entry: PictureEntry): number {
  return entry.offset + LOCAL_HEADER + Buffer.byteLength(entry.name) + EXTRA + entry.compressedSize;
}

async function readWindow(file: VirtualFile, entries: readonly PictureEntry[]): Promise<Window> {
  const started = performance.now();
  const offset = entries[0]!.offset;
  const bytes = await file.read(offset, endOf(entries.at(-1)!) - offset);
  return { entries, offset, bytes, seconds: (performance.now() - started) / 1_000 };
}

async function unpack(file: VirtualFile, window: Window, entry: PictureEntry): Promise<Buffer> {
  const where = () => `${entry.name} (${file.partsHolding(entry.offset, endOf(entry) - EXTRA - entry.offset)})`;
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

/** What is wrong with a local header, as far as the directory tells; undefined when nothing is. */
export function headerProblem(bytes: Buffer, name: string): string | undefined {
  if (bytes.length < LOCAL_HEADER || bytes.readUInt32LE(0) !== LOCAL_SIGNATURE) return 'other bytes';
  const found = bytes.toString('utf8', LOCAL_HEADER, LOCAL_HEADER + bytes.readUInt16LE(26));
  return found === name ? undefined : `the header of ${JSON.stringify(found.slice(0, 100))}`;
}

/** In the thread pool, in one go: the size is known, so the result is one buffer and a bomb stops there. */
async function inflateWhole(packed: Buffer, size: number, where: () => string): Promise<Buffer> {
  try {
    return await inflate(packed, { maxOutputLength: size, chunkSize: Math.max(64, size + 1) });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const got = code === 'ERR_BUFFER_TOO_LARGE' ? 'more' : message;
    throw new DamagedEntry(`Expected ${where()} to inflate to ${size} bytes, got ${got}`);
  }
}

function hex(sum: number): string {
  return sum.toString(16).padStart(8, '0');
}
