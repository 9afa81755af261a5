/**
 * Writes the archive of the synthetic eyes in the competition's format. It is one zip with zip64 fields, cut into byte ranges,
 * each wrapped in a zip of its own. Nothing in it depends on the clock, the time zone or the machine.
 */
import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import yazl from 'yazl';

/** Start of the competition. DOS times carry no zone, so the local parts of this date are written. */
const WRITTEN = new Date(2015, 1, 17, 12, 0, 0);

const ENTRY = { mtime: WRITTEN, mode: 0o100644, forceDosTimestamp: true } as const;

/** A file of the archive: its path in it, and its bytes. */
export interface ArchiveEntry {
  path: string;
  bytes: Buffer;
}

/**
 * Writes `entries` in their order as a deflated zip64, after the entry of their folder. Takes the next entry only when the file accepts
 * more data, so that memory holds a few entries.
 */
export async function writeArchive(
  file: string,
  folder: string,
  entries: AsyncIterable<ArchiveEntry>,
  signal?: AbortSignal,
): Promise<void> {
  const zip = new yazl.ZipFile();
  const sink = createWriteStream(file, { signal });
  const written = finished(zip.outputStream.pipe(sink));
  const failed = new Promise<never>((_, reject) => zip.on('error', reject));
  const added = (async () => {
    zip.addEmptyDirectory(folder, { ...ENTRY, mode: 0o40755 });
    for await (const { path, bytes } of entries) {
      if (sink.destroyed) return;
      zip.addBuffer(bytes, path, { ...ENTRY, compressionLevel: 6, forceZip64Format: true });
      if (sink.writableNeedDrain) await Promise.race([once(sink, 'drain'), written]);
    }
    zip.end({ forceZip64Format: true, comment: '' });
  })();
  try {
    await Promise.race([Promise.all([added, written]), failed]);
  } catch (error) {
    sink.destroy();
    await Promise.allSettled([added, written]);
    throw error;
  }
}

/** Writes a zip of one deflated entry called `name`, like the files of the competition's server. */
export async function writeWrapper(file: string, name: string, content: Readable, signal?: AbortSignal): Promise<void> {
  const zip = new yazl.ZipFile();
  const sink = createWriteStream(file, { signal });
  const written = finished(zip.outputStream.pipe(sink));
  const failed = new Promise<never>((_, reject) => {
    zip.on('error', reject);
    content.on('error', reject);
  });
  zip.addReadStream(content, name, { ...ENTRY, compressionLevel: 1 });
  zip.end();
  try {
    await Promise.race([written, failed]);
  } catch (error) {
    content.destroy();
    sink.destroy();
    await written.catch(() => undefined);
    throw error;
  }
}

/** Returns byte ranges that cut `size` bytes into `parts` pieces of equal length, the last one shorter, like the competition's volumes. */
export function cutIntoParts(size: number, parts: number): { offset: number; length: number }[] {
  const piece = Math.ceil(size / parts);
  return Array.from({ length: parts }, (_, i) => {
    const offset = Math.min(size, i * piece);
    return { offset, length: Math.min(piece, size - offset) };
  });
}

/** Returns a stream of `length` bytes of a file, from `offset`. */
export function readRange(file: string, { offset, length }: { offset: number; length: number }): Readable {
  return createReadStream(file, { start: offset, end: offset + length - 1, highWaterMark: 1 << 20 });
}

/** Returns the bytes of a file. */
export async function fileSize(file: string): Promise<number> {
  return (await stat(file)).size;
}

/** Returns the name of a part: `train.zip`, 0 → `train.zip.001`. */
export function partName(archive: string, index: number): string {
  return `${archive}.${String(index + 1).padStart(3, '0')}`;
}
