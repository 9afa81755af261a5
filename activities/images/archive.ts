/**
 * The central directory of the archive through unzipper, with nothing left that can go wrong inside it: unzipper ends the process
 * when a source fails while it opens, reads a zip64 tail only from one chunk, and believes a wrong entry count. So the tail is read
 * beforehand and served from memory, and what comes out is checked against the end records.
 */
import { Readable } from 'node:stream';
import unzipper from 'unzipper';
import { findEndOfDirectory, LONGEST_END } from './end-of-directory.ts';
import { DamagedArchive, type VirtualFile } from './virtual-file.ts';

declare module 'unzipper' {
  namespace Open {
    /** With the options that the published types leave out. */
    function custom(
      source: { size: () => Promise<number>; stream: (offset: number, length?: number) => Readable },
      options: { tailSize: number },
    ): Promise<CentralDirectory>;
  }
}

/** A record of the central directory. Nothing in it is trusted yet. */
export interface DirectoryRecord {
  name: Buffer;
  flags: number;
  method: number;
  crc32: number;
  compressedSize: number;
  /** Uncompressed bytes. */
  size: number;
  /** Of the local header. */
  offset: number;
}

export interface Directory {
  records: DirectoryRecord[];
  /** Where the entries end and the directory begins. */
  offset: number;
}

const RECORD = 0x02014b50;
/** 35,127 entries need 4 MB. */
const LARGEST_DIRECTORY = 256 * 2 ** 20;

/**
 * Reads the central directory in at most two ranged reads.
 * @throws DamagedArchive what no retry can cure; what the store throws for the rest
 */
export async function readDirectory(file: VirtualFile): Promise<Directory> {
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
    // unzipper takes the first end record it finds in so many last bytes: the one found above.
    { tailSize: file.size - end.endRecord },
  ).catch((error: unknown) => {
    throw new DamagedArchive(
      `Expected a readable central directory at byte ${end.directoryOffset}, got ${(error as Error).message}: ${file.partsHolding(end.directoryOffset, end.directorySize)} is damaged`,
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
      name: Buffer.from(entry.pathBuffer),
      flags: entry.flags,
      method: entry.compressionMethod,
      crc32: entry.crc32,
      compressedSize: entry.compressedSize,
      size: entry.uncompressedSize,
      offset: entry.offsetToLocalFileHeader,
    })),
  };
}
