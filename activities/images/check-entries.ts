/** Which entries of the archive are pictures to be prepared, and which are set aside before a byte of them is read. Pure. */
import type { Directory, DirectoryRecord } from './archive.ts';
import type { QuarantinedEntry } from './types.ts';

/** A picture's entry in the archive. */
export interface PictureEntry {
  /** `10_left` */
  image: string;
  /** Name in the archive: `train/10_left.jpeg`. */
  name: string;
  /** Stage 0–4; null where there are no labels. */
  stage: number | null;
  /** Of the local header. */
  offset: number;
  compressedSize: number;
  /** Uncompressed bytes. */
  size: number;
  crc32: number;
  /** 0 stored, 8 deflated. */
  method: 0 | 8;
}

export interface CheckedEntries {
  /** In order of their offset. */
  pictures: PictureEntry[];
  quarantined: QuarantinedEntry[];
  /** Those of `quarantined` that are there for want of a label. */
  withoutLabel: number;
  labelsWithoutPicture: number;
}

/** The largest photograph taken into memory; the competition's largest is about 5 MB. */
export const LARGEST_PICTURE = 128 * 2 ** 20;
/** A JPEG deflates by a fifth, a black one up to this much. */
const HIGHEST_RATIO = 200;
/** Below this a high ratio does no harm. */
const HARMLESS_SIZE = 8 * 2 ** 20;
/** Characters of a name that the list of what was set aside, and a message, show. */
const LONGEST_SHOWN = 200;
const LOCAL_HEADER = 30;
const ENCRYPTED = 0x1;

/**
 * @param pattern names that are pictures, `archive.entries`
 * @param labels stage by image; null where there are none: every picture is then without a stage
 */
export function checkEntries(
  directory: Directory,
  pattern: RegExp,
  labels: ReadonlyMap<string, number> | null,
): CheckedEntries {
  const pictures: PictureEntry[] = [];
  const quarantined: QuarantinedEntry[] = [];
  const seen = new Map<string, string>();
  const named = new Set<string>();
  let withoutLabel = 0;
  let previousEnd = 0;
  for (const record of [...directory.records].sort((one, other) => one.offset - other.offset)) {
    const name = readableName(record.name);
    if (name.endsWith('/') && record.size === 0) continue;
    const image = /^(?:.*\/)?([\w-]{1,64})\.\w+$/.exec(name)?.[1] ?? null;
    const setAside = (reason: string) => quarantined.push({ entry: shortened(name), image, reason });

    const namedBadly = badName(record.name, name, pattern);
    if (namedBadly !== undefined) {
      setAside(namedBadly);
      continue;
    }
    if (image === null) {
      setAside('Expected a file name of at most 64 letters, digits, _ and - before one extension, got another');
      continue;
    }
    named.add(image);
    const broken = badRecord(record, directory.offset, previousEnd);
    if (broken !== undefined) {
      setAside(broken);
      continue;
    }
    previousEnd = record.offset + LOCAL_HEADER + record.name.length + record.compressedSize;
    const twin = seen.get(image);
    if (twin !== undefined) {
      setAside(`Expected ${image} once in the archive, got it again after ${twin}`);
      continue;
    }
    seen.set(image, name);
    const stage = labels === null ? null : labels.get(image);
    if (stage === undefined) {
      withoutLabel++;
      setAside(`Expected a label for ${image}, got none`);
      continue;
    }
    const { offset, compressedSize, size, crc32 } = record;
    pictures.push({ image, name, stage, offset, compressedSize, size, crc32, method: record.method as 0 | 8 });
  }
  const labelsWithoutPicture = labels === null ? 0 : [...labels.keys()].filter(image => !named.has(image)).length;
  return { pictures, quarantined, withoutLabel, labelsWithoutPicture };
}

/** Names outside UTF-8 are shown byte by byte, so that the list that names them stays readable. */
function readableName(name: Buffer): string {
  const text = name.toString('utf8');
  return Buffer.from(text).equals(name) ? text : name.toString('latin1');
}

/** A name may have 65,535 bytes, and an archive thousands of such names. */
function shortened(name: string): string {
  return name.length <= LONGEST_SHOWN ? name : `${name.slice(0, LONGEST_SHOWN)}…`;
}

function badName(bytes: Buffer, name: string, pattern: RegExp): string | undefined {
  if (/^([a-z]:|[\\/])/i.test(name) || /(^|[\\/])\.\.([\\/]|$)/.test(name)) {
    return 'Expected a name inside the archive, got one that leads out of it';
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what a name must not hold.
  if (/[\u0000-\u001f\u007f\\]/.test(name) || !Buffer.from(name).equals(bytes)) {
    return 'Expected a name of readable characters, got control characters, a backslash or no UTF-8';
  }
  if (!pattern.test(name)) return `Expected a name like ${pattern.source} (archive.entries), got another`;
  return undefined;
}

function badRecord(record: DirectoryRecord, end: number, previousEnd: number): string | undefined {
  const { offset, size, compressedSize, method, flags, name } = record;
  if ((flags & ENCRYPTED) !== 0) return 'Expected a readable entry, got an encrypted one';
  if (method !== 0 && method !== 8) return `Expected compression method 0 or 8, got ${method}`;
  if (![offset, size, compressedSize].every(Number.isSafeInteger)) return 'Expected an offset and sizes, got none';
  if (size === 0 || compressedSize === 0) return 'Expected a picture, got an empty entry';
  if (method === 0 && size !== compressedSize) {
    return `Expected a stored entry of ${size} bytes, got ${compressedSize}`;
  }
  if (size > LARGEST_PICTURE) return `Expected a picture of at most ${LARGEST_PICTURE} bytes, got ${size}`;
  if (size > HARMLESS_SIZE && size > compressedSize * HIGHEST_RATIO) {
    return `Expected a picture to deflate at most ${HIGHEST_RATIO} times, got ${Math.floor(size / compressedSize)} times: a bomb?`;
  }
  if (offset + LOCAL_HEADER + name.length + compressedSize > end) {
    return `Expected its data to end before the directory at byte ${end}, got data that goes beyond`;
  }
  if (offset < previousEnd)
    return `Expected its data after byte ${previousEnd}, got data that overlaps the entry before`;
  return undefined;
}
