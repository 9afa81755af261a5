/** Probes the parts before an hour of work. Bytes of another file, or parts in another order, are found at once. */
import { FIRST_BYTES, foreignArchive, foreignFile } from '../zip/foreign-file.ts';
import { packAgain } from '../zip/packing.ts';
import { DamagedArchive, type VirtualFile } from '../zip/virtual-file.ts';
import { headerProblem } from '../zip/zip-entries.ts';
import type { PictureEntry } from './validate-entries.ts';

const LOCAL_HEADER = 30;

/**
 * Compares the headers of the first, the middle and the last entry that start in each part with the directory. One bad header is
 * a bad entry. A part where all are bad is the wrong part. A part in which fewer than two entries start is not checked.
 * @throws DamagedArchive; CorruptObject where the part is corrupt in the store
 */
export async function probeParts(file: VirtualFile, pictures: readonly PictureEntry[]): Promise<void> {
  const problems = await Promise.all(
    file.parts.map(async part => {
      const inside = pictures.filter(({ offset }) => offset >= part.start && offset < part.start + part.size);
      const probes = new Set([inside[0], inside[inside.length >> 1], inside.at(-1)]);
      if (inside.length < 2) return undefined;
      const found = await Promise.all([...probes].map(entry => probe(file, entry!)));
      if (found.includes(undefined)) return undefined;
      await file.verify(part.start, part.size);
      return `Expected ${part.name} to hold ${found[0]}: parts are damaged or in another order; download them again`;
    }),
  );
  const problem = problems.find(found => found !== undefined);
  if (problem !== undefined) throw new DamagedArchive(problem);
}

async function probe(file: VirtualFile, { name, offset }: PictureEntry): Promise<string | undefined> {
  const bytes = await file.read(offset, LOCAL_HEADER + Buffer.byteLength(name));
  const problem = headerProblem(bytes, name);
  return problem && `the header of ${name} at byte ${offset} of the archive, got ${problem}`;
}

/**
 * Runs `work`. If the archive proves damaged, looks for the cause in the first bytes of its parts.
 * @param archive `train.zip`
 * @throws DamagedArchive
 */
export async function namingForeignParts<Result>(
  file: VirtualFile,
  archive: string,
  work: () => Promise<Result>,
): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof DamagedArchive)) throw error;
    throw (await foreignParts(file, archive)) ?? error;
  }
}

async function foreignParts(file: VirtualFile, archive: string): Promise<DamagedArchive | undefined> {
  const found = await Promise.all(
    file.parts.map(async part => {
      const bytes = await firstBytes(file, part);
      const other = part.start === 0 ? foreignArchive(bytes) : undefined;
      return other ? `${other}: unpack it, and pack its folder by ${packAgain(archive)}` : foreignFile(bytes);
    }),
  );
  const first = found.findIndex(what => what !== undefined);
  if (first === -1) return undefined;
  const same = found.filter(what => what === found[first]).length;
  const more = same === 1 ? '' : ` and ${same - 1} more`;
  return new DamagedArchive(`Expected ${file.parts[first]!.name}${more} to belong to a zip, got ${found[first]}`);
}

/** Returns no bytes for a missing part, which the error already reports. */
async function firstBytes(file: VirtualFile, part: { start: number; size: number }): Promise<Buffer> {
  try {
    return await file.read(part.start, Math.min(FIRST_BYTES, part.size));
  } catch (error) {
    if (error instanceof DamagedArchive) return Buffer.alloc(0);
    throw error;
  }
}
