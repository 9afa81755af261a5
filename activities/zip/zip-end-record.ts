/** Parses the end records of a zip, by APPNOTE 4.3.14–4.3.16. */
import { DamagedArchive } from './virtual-file.ts';

/** Bytes that a program may append: bsdtar fills its last block of 10 KiB. */
const PADDING = 64 * 2 ** 10;
/** Bytes of the end record with its longest comment, the padding after it, and the two zip64 records before it. */
export const LONGEST_END = 22 + 65_535 + PADDING + 20 + 56;
const END = Buffer.from('PK\x05\x06', 'latin1');
const LOCATOR_64 = 0x07064b50;
const END_64 = 0x06064b50;
const SMALLEST_RECORD = 46;

/**
 * Finds the end of the central directory in the last bytes of an archive. Like unzip, 7-Zip and Python it takes the last end record,
 * whatever bytes follow it. The directory must fill the space just before that record, so other bytes that look like one do not count.
 * A missing or swapped part, or a wrong count, is found before anything is read.
 * @param tail the archive's last bytes, at least `LONGEST_END` or all of them
 * @param size bytes of the whole archive
 * @param lastPart name of the part that should end it, for the message
 * @throws DamagedArchive
 */
export function findEndOfDirectory(tail: Buffer, size: number, lastPart: string) {
  let problem: DamagedArchive | undefined;
  for (let at = tail.lastIndexOf(END); at >= 0; at = at === 0 ? -1 : tail.lastIndexOf(END, at - 1)) {
    const end = at + 22 <= tail.length ? at + 22 + tail.readUInt16LE(at + 20) : Number.POSITIVE_INFINITY;
    if (end > tail.length) continue;
    try {
      return readEndRecord(tail, size - tail.length, at, lastPart);
    } catch (error) {
      // Only a record that ends the archive is certainly one.
      if (end === tail.length) problem ??= error as DamagedArchive;
    }
  }
  throw problem ?? noEndRecord(tail, lastPart);
}

function noEndRecord(tail: Buffer, lastPart: string): DamagedArchive {
  const zeros = tail.length > 0 && tail.every(byte => byte === 0);
  return new DamagedArchive(
    zeros
      ? `Expected ${lastPart} to end the archive, got only zeros at its end, as a stopped download leaves: download it again`
      : `Expected ${lastPart} to end the archive, got no end of central directory: is a part missing or damaged?`,
  );
}

/** Reads the end record at `at`. @throws DamagedArchive when the directory that the record states does not end before it */
function readEndRecord(tail: Buffer, base: number, at: number, lastPart: string) {
  let entries = tail.readUInt16LE(at + 10);
  let directorySize = tail.readUInt32LE(at + 12);
  let directoryOffset = tail.readUInt32LE(at + 16);
  let directoryEnd = base + at;
  const disk = tail.readUInt16LE(at + 4);
  const hasLocator = at >= 20 && tail.readUInt32LE(at - 20) === LOCATOR_64;
  if (hasLocator || disk === 0xffff || entries === 0xffff || directoryOffset === 0xffffffff) {
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
