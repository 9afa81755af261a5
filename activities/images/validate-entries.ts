/** Selects the entries of the archive that are images to prepare, and quarantines bad ones before a byte of them is read. Pure. */
import type { EntryPattern } from '../../config/entry-pattern.ts';
import { quote } from '../../lib/quote.ts';
import { hasNoPatient, isDocument, isLeftBySystem } from '../zip/other-files.ts';
import type { Directory, DirectoryRecord } from '../zip/zip-directory.ts';
import type { ZipEntry } from '../zip/zip-entries.ts';
import type { QuarantinedEntry } from './types.ts';

/** The archive entry of an image. */
export interface PictureEntry extends ZipEntry {
  /** `10_left` */
  image: string;
  /** Grade 0–4; null where there are no labels. */
  stage: number | null;
}

export interface CheckedEntries {
  /** Entries in order of their offset. */
  pictures: PictureEntry[];
  quarantined: QuarantinedEntry[];
  /** Number of other files: `__MACOSX/`, `.DS_Store`, a README, tables. */
  ignored: number;
  /** Number of entries in `quarantined` that have no label. */
  withoutLabel: number;
  labelsWithoutPicture: number;
}

/** The largest image read into memory; the competition's largest is about 5 MB. */
export const LARGEST_PICTURE = 128 * 2 ** 20;
/** Highest ratio of sizes. A JPEG deflates by a fifth, a black one up to this much. */
const HIGHEST_RATIO = 200;
/** Below this size a high ratio is harmless. */
const HARMLESS_SIZE = 8 * 2 ** 20;
/** Characters of a name that the quarantine list, and a message, show. */
const LONGEST_SHOWN = 200;
const LOCAL_HEADER = 30;
const ENCRYPTED = 0x1;

/**
 * Checks all entries of the directory.
 * @param pattern names of images, `archive.entries`
 * @param labels grade by image; null where there are none, so that every image has no grade
 */
export function checkEntries(
  directory: Directory,
  pattern: EntryPattern,
  labels: ReadonlyMap<string, number> | null,
): CheckedEntries {
  const pictures: PictureEntry[] = [];
  const quarantined: QuarantinedEntry[] = [];
  const seen = new Map<string, string>();
  const named = new Set<string>();
  const names = new Set(directory.records.map(record => readableName(record.name)));
  let ignored = 0;
  let withoutLabel = 0;
  let previousEnd = 0;
  for (const record of [...directory.records].sort((one, other) => one.offset - other.offset)) {
    const name = readableName(record.name);
    if (name.endsWith('/') && record.size === 0) continue;
    if (isOther(name, pattern, names)) {
      ignored++;
      continue;
    }
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
      setAside(`Expected ${image} once in the archive, got it again after ${quote(twin)}`);
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
  return { pictures, quarantined, ignored, withoutLabel, labelsWithoutPicture };
}

/** Shows names outside UTF-8 byte by byte, so that the list that holds them stays readable. */
function readableName(name: Buffer): string {
  const text = name.toString('utf8');
  return Buffer.from(text).equals(name) ? text : name.toString('latin1');
}

/** Shortens a name: it may have 65,535 bytes, and an archive may hold thousands of them. */
function shortened(name: string): string {
  return name.length <= LONGEST_SHOWN ? name : `${name.slice(0, LONGEST_SHOWN)}…`;
}

function isOther(name: string, pattern: EntryPattern, names: ReadonlySet<string>): boolean {
  if (isLeftBySystem(name, names)) return true;
  if (isHostile(name)) return false;
  return isDocument(name) || (hasNoPatient(name) && !pattern.test(name));
}

function isHostile(name: string): boolean {
  return leadsOut(name) || hasControls(name);
}

function leadsOut(name: string): boolean {
  return /^([a-z]:|[\\/])/i.test(name) || /(^|[\\/])\.\.([\\/]|$)/.test(name);
}

function hasControls(name: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what a name must not hold.
  return /[\u0000-\u001f\u007f\\]/.test(name);
}

function badName(bytes: Buffer, name: string, pattern: EntryPattern): string | undefined {
  if (leadsOut(name)) return 'Expected a name inside the archive, got one that leads out of it';
  if (hasControls(name) || !Buffer.from(name).equals(bytes)) {
    return 'Expected a name of readable characters, got control characters, a backslash or no UTF-8';
  }
  if (!pattern.test(name)) return `Expected a name like ${quote(pattern.source)} (archive.entries), got another`;
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
