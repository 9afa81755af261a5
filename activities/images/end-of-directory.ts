/** The end records of a zip: where its central directory lies and how many entries it has. Pure. (APPNOTE 4.3.14–4.3.16) */
import { DamagedArchive } from './virtual-file.ts';

export interface EndOfDirectory {
  /** Offset of the (32-bit) end record within the archive. */
  endRecord: number;
  directoryOffset: number;
  directorySize: number;
  entries: number;
}

/** The end record with the longest comment, and before it the two of zip64. */
export const LONGEST_END = 22 + 65_535 + 20 + 56;
const END = 0x06054b50;
const LOCATOR_64 = 0x07064b50;
const END_64 = 0x06064b50;
const SMALLEST_RECORD = 46;

/**
 * Finds the end of the central directory in the last bytes of an archive, and checks that the directory fills the space just
 * before its end records: so a missing or swapped part, or a wrong count, is found before anything is read.
 * @param tail the archive's last bytes, at least `LONGEST_END` or all of them
 * @param size bytes of the whole archive
 * @param lastPart name of the part that should end it, for the message
 * @throws DamagedArchive
 */
export function findEndOfDirectory(tail: Buffer, size: number, lastPart: string): EndOfDirectory {
  const base = size - tail.length;
  const at = lastEndRecord(tail);
  if (at === undefined) {
    throw new DamagedArchive(
      `Expected ${lastPart} to end the archive, got no end of central directory: is a part missing or damaged?`,
    );
  }
  let entries = tail.readUInt16LE(at + 10);
  let directorySize = tail.readUInt32LE(at + 12);
  let directoryOffset = tail.readUInt32LE(at + 16);
  let directoryEnd = base + at;
  const disk = tail.readUInt16LE(at + 4);
  if (disk === 0xffff || entries === 0xffff || directoryOffset === 0xffffffff) {
    const found = endOfDirectory64(tail, base, at, lastPart);
    ({ entries, directorySize, directoryOffset, directoryEnd } = found);
  } else if (disk !== 0) {
    throw new DamagedArchive(
      `Expected the parts to be byte ranges of one zip, got disk ${disk + 1} of a spanned one: join it with \`zip -s 0\` first`,
    );
  }
  if (directoryOffset + directorySize !== directoryEnd) {
    throw new DamagedArchive(
      `Expected the central directory to end at byte ${directoryEnd}, got ${directoryOffset + directorySize}: is a part missing, short or out of order?`,
    );
  }
  if (entries * SMALLEST_RECORD > directorySize) {
    throw new DamagedArchive(
      `Expected ${entries} entries in the central directory, got ${directorySize} bytes, which cannot hold them: ${lastPart} is damaged`,
    );
  }
  return { endRecord: base + at, directoryOffset, directorySize, entries };
}

/** The last end record whose comment reaches exactly to the end: other bytes that look like one don't. */
function lastEndRecord(tail: Buffer): number | undefined {
  for (let at = tail.length - 22; at >= 0; at--) {
    if (tail.readUInt32LE(at) === END && at + 22 + tail.readUInt16LE(at + 20) === tail.length) return at;
  }
  return undefined;
}

function endOfDirectory64(tail: Buffer, base: number, end: number, lastPart: string) {
  const locator = end - 20;
  const at =
    locator < 0 || tail.readUInt32LE(locator) !== LOCATOR_64 ? -1 : Number(tail.readBigUInt64LE(locator + 8)) - base;
  if (at < 0 || at + 56 > locator || tail.readUInt32LE(at) !== END_64) {
    throw new DamagedArchive(
      `Expected the zip64 end of the central directory before byte ${base + end}, got other bytes: ${lastPart} is damaged, or a part before it is missing`,
    );
  }
  return {
    entries: Number(tail.readBigUInt64LE(at + 32)),
    directorySize: Number(tail.readBigUInt64LE(at + 40)),
    directoryOffset: Number(tail.readBigUInt64LE(at + 48)),
    directoryEnd: base + at,
  };
}
