/** Describes how entries of a zip are packed, and what to do where that cannot be read. Pure. */
import type { DirectoryRecord } from './zip-directory.ts';

const METHODS: Record<number, string> = {
  1: 'Shrink',
  6: 'Implode',
  9: 'Deflate64',
  12: 'BZip2',
  14: 'LZMA',
  93: 'Zstandard',
  95: 'XZ',
  98: 'PPMd',
  99: 'AES',
};
const ENCRYPTED = 0x1;

/** Returns `packed with Deflate64`, `encrypted` and the like; undefined where an entry is stored or deflated without encryption. */
export function unreadablePacking({ flags, method }: Pick<DirectoryRecord, 'flags' | 'method'>): string | undefined {
  if (method === 0 || method === 8) return (flags & ENCRYPTED) === 0 ? undefined : 'encrypted';
  const name = METHODS[method] ?? `method ${method}`;
  return (flags & ENCRYPTED) === 0 ? `packed with ${name}` : `encrypted with ${name}`;
}

/** Returns the command that packs the archive's folder in a readable way. @param archive `train.zip` */
export function packAgain(archive: string): string {
  return `7z a -tzip -mm=Deflate -v8g ${archive} ${archive.replace(/\.zip$/, '')}`;
}

/**
 * Returns the message when too many images cannot be read because of how the zip was made; undefined otherwise.
 * @param pattern names of images, `archive.entries`
 * @param most share of the images that may be quarantined
 */
export function packingProblem(
  records: readonly DirectoryRecord[],
  pattern: { test(name: string): boolean },
  archive: string,
  most: number,
): string | undefined {
  const packed = new Map<string, number>();
  let [pictures, backslashes] = [0, 0];
  for (const record of records) {
    const name = record.name.toString('utf8');
    if (!pattern.test(name.replaceAll('\\', '/'))) continue;
    pictures++;
    if (name.includes('\\')) backslashes++;
    const packing = unreadablePacking(record);
    if (packing !== undefined) packed.set(packing, (packed.get(packing) ?? 0) + 1);
  }
  const tooMany = (n: number) => n > 0 && (n === pictures || n > pictures * most);
  if (tooMany([...packed.values()].reduce((sum, n) => sum + n, 0))) {
    const found = [...packed].map(([packing, n]) => `${n} of ${pictures} ${packing}`).join(', ');
    return `Expected the pictures of ${archive} stored or deflated, got ${found}: unpack it, and pack its folder again by ${packAgain(archive)}`;
  }
  if (tooMany(backslashes)) {
    return `Expected slashes in the names of ${archive}, got backslashes in ${backslashes} of ${pictures}: unpack it on Windows, where they separate folders, and pack its folder again by ${packAgain(archive)}`;
  }
  return undefined;
}
