/**
 * Reads the archive's central directory through unzipper, and keeps unzipper's own failures out. A source that fails while
 * unzipper opens it would end the process. unzipper also reads a zip64 tail only from one chunk, and accepts a wrong entry count.
 * So the tail is read beforehand and served from memory, and the result is checked against the end records.
 */
import { Readable } from 'node:stream';
import unzipper from 'unzipper';
import { reasonOf } from '../../lib/quote.ts';
import { DamagedArchive } from './virtual-file.ts';
import { findEndOfDirectory, LONGEST_END } from './zip-end-record.ts';

declare module 'unzipper' {
  namespace Open {
    /** Declares the options that the published types leave out. */
    function custom(
      source: { size: () => Promise<number>; stream: (offset: number, length?: number) => Readable },
      options: { tailSize: number },
    ): Promise<CentralDirectory>;
  }
}

/** Source of a zip: a `VirtualFile`, or a single object. */
export interface ZipFile {
  size: number;
  /** Files of the zip, in order. */
  parts: readonly { name: string }[];
  read(offset: number, length: number): Promise<Buffer>;
  /** Returns the names of the files that hold a range, for messages. */
  partsHolding(offset: number, length: number): string;
}

/** A record of the central directory. Nothing in it is trusted yet. */
export interface DirectoryRecord {
  /** Name with slashes between folders, also where a program for Windows wrote backslashes. */
  name: Buffer;
  flags: number;
  method: number;
  crc32: number;
  compressedSize: number;
  /** Uncompressed bytes. */
  size: number;
  /** Offset of the local header. */
  offset: number;
}

export interface Directory {
  records: DirectoryRecord[];
  /** Offset where the entries end and the directory starts. */
  offset: number;
}

const RECORD = 0x02014b50;
const MADE_FOR_DOS = 0;
/** 35,127 entries need 4 MB. */
const LARGEST_DIRECTORY = 256 * 2 ** 20;

/**
 * Reads the central directory in at most two ranged reads.
 * @throws DamagedArchive when no retry can fix it; other errors come from the store
 */
export async function readDirectory(file: ZipFile): Promise<Directory> {
  const lastPart = file.parts.at(-1)?.name ?? 'the last part';
  const tailOffset = Math.max(0, file.size - LONGEST_END);
  const tail = await file.read(tailOffset, file.size - tailOffset);
  const end = findEndOfDirectory(tail, file.size, lastPart);
  if (end.directorySize > LARGEST_DIRECTORY) {
    throw new DamagedArchive(
      `Expected a central directory of at most ${LARGEST_DIRECTORY} bytes, got ${end.directorySize}: split the archive`,
    );
  }
  const base = Math.min(tailOffset, end.directoryOffset);
  const bytes = base === tailOffset ? tail : Buffer.concat([await file.read(base, tailOffset - base), tail]);

  const directory = await unzipper.Open.custom(
    {
      size: async () => file.size,
      stream: offset => Readable.from(offset < base || offset >= file.size ? [] : [bytes.subarray(offset - base)]),
    },
    // unzipper takes the first end record in the last `tailSize` bytes: the one found above.
    { tailSize: file.size - end.endRecord },
  ).catch((error: unknown) => {
    throw new DamagedArchive(
      `Expected a readable central directory at byte ${end.directoryOffset}, got ${reasonOf(error)}: ${file.partsHolding(end.directoryOffset, end.directorySize)} is damaged`,
    );
  });

  const length = directory.files.reduce(
    (sum, entry) => sum + 46 + entry.fileNameLength + entry.extraFieldLength + entry.fileCommentLength,
    0,
  );
  if (
    directory.files.length !== end.entries ||
    length !== end.directorySize ||
    directory.files.some(entry => entry.signature !== RECORD)
  ) {
    throw new DamagedArchive(
      `Expected ${end.entries} entries in a central directory of ${end.directorySize} bytes, got ${directory.files.length} in ${length}: ${file.partsHolding(end.directoryOffset, end.directorySize)} is damaged`,
    );
  }
  return {
    offset: end.directoryOffset,
    records: directory.files.map(entry => ({
      name: nameOf(entry),
      flags: entry.flags,
      method: entry.compressionMethod,
      crc32: entry.crc32,
      compressedSize: entry.compressedSize,
      size: entry.uncompressedSize,
      offset: entry.offsetToLocalFileHeader,
    })),
  };
}

/**
 * Returns the name as unzip reads it. Backslashes separate folders where the zip was made for DOS or Windows and the name has no slash.
 */
function nameOf({ pathBuffer, versionMadeBy }: Pick<unzipper.File, 'pathBuffer' | 'versionMadeBy'>): Buffer {
  const name = Buffer.from(pathBuffer);
  if (versionMadeBy >> 8 !== MADE_FOR_DOS || name.includes('/')) return name;
  return Buffer.from(name.toString('latin1').replaceAll('\\', '/'), 'latin1');
}
