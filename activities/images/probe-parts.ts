/** Looks into each part before an hour of work does: bytes of another file, or parts in another order, show at once. */
import type { PictureEntry } from './check-entries.ts';
import { headerProblem } from './entries.ts';
import { DamagedArchive, type VirtualFile } from './virtual-file.ts';

const LOCAL_HEADER = 30;

/**
 * Compares the headers of the first, the middle and the last entry that begin in each part with the directory. One bad header is
 * a bad entry; a part where all are is not the part it should be. Parts where fewer than two entries begin are taken as they are.
 * @throws DamagedArchive
 */
export async function probeParts(file: VirtualFile, pictures: readonly PictureEntry[]): Promise<void> {
  const problems = await Promise.all(
    file.parts.map(async part => {
      const inside = pictures.filter(({ offset }) => offset >= part.start && offset < part.start + part.size);
      const probes = new Set([inside[0], inside[inside.length >> 1], inside.at(-1)]);
      if (inside.length < 2) return undefined;
      const found = await Promise.all([...probes].map(entry => probe(file, entry!)));
      if (found.includes(undefined)) return undefined;
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
