/** Picks the archive's parts and the labels out of a listing. Pure. */
import type { PipelineInput } from '../../config/input.ts';
import { sha256 } from '../../storage/checksum.ts';
import { finalFailure } from '../failures.ts';
import type { SourceFile } from './source.ts';

export interface PickedFiles {
  parts: SourceFile[];
  labels: SourceFile | null;
  sample: SourceFile | null;
}

/** Names shown in an error before the rest is only counted. */
const NAMES_SHOWN = 5;

/**
 * @param source the source's name, for errors
 * @throws `BadInput` when a part, the labels or the sample are missing, or there are more parts than there should be
 */
export function pickFiles(
  listing: readonly SourceFile[],
  archive: PipelineInput['archive'],
  source: string,
): PickedFiles {
  const byName = new Map(listing.map(file => [file.name, file]));
  const wanted = Array.from({ length: archive.parts }, (_, n) => partName(archive.name, n + 1));
  const missing = wanted.filter(name => !byName.has(name));
  const found = listing.filter(({ name }) => isPart(name, archive.name));
  const expected = `Expected ${archive.parts} part${archive.parts === 1 ? '' : 's'} of ${archive.name}`;
  if (found.length === 0) {
    throw finalFailure('BadInput', `${expected} (${wanted[0]}, …) in ${source}, got ${describe(listing)}`);
  }
  if (missing.length > 0) {
    const present = wanted.length - missing.length;
    const verb = missing.length === 1 ? 'is' : 'are';
    throw finalFailure('BadInput', `${expected}, got ${present}: ${shorten(missing)} ${verb} missing in ${source}`);
  }
  if (found.length > wanted.length) {
    throw finalFailure(
      'BadInput',
      `${expected}, got ${found.length} in ${source}: set archive.parts to ${found.length} if they all belong to it`,
    );
  }
  return {
    parts: wanted.map(name => byName.get(name)!),
    labels: pickTable(byName, archive.labels, source, 'set archive.labels to the file of labels'),
    sample: pickTable(byName, archive.sample ?? null, source, 'set archive.sample to the sample submission'),
  };
}

/**
 * A hash of the source's folder and its files' names, sizes and dates. Equal listings of two sources may stand for unequal
 * bytes: the folder keeps them apart.
 */
export function fingerprintOf(folder: string, { parts, labels, sample }: PickedFiles): string {
  const rows = [...parts, ...(labels ? [labels] : []), ...(sample ? [sample] : [])].map(({ name, size, date }) => [
    name,
    size,
    date,
  ]);
  return sha256(JSON.stringify([folder, rows])).slice(0, 16);
}

function pickTable(
  byName: Map<string, SourceFile>,
  name: string | null,
  source: string,
  advice: string,
): SourceFile | null {
  if (name === null) return null;
  const file = byName.get(name) ?? byName.get(`${name}.zip`);
  if (file) return file;
  throw finalFailure(
    'BadInput',
    `Expected ${name} or ${name}.zip in ${source}, got ${describe([...byName.values()])}: ${advice}`,
  );
}

const partName = (archive: string, n: number) => `${archive}.${String(n).padStart(3, '0')}`;

const isPart = (name: string, archive: string) =>
  name.startsWith(`${archive}.`) && /^\d{3}$/.test(name.slice(archive.length + 1));

function describe(listing: readonly SourceFile[]): string {
  return listing.length === 0 ? 'no files' : shorten(listing.map(({ name }) => name));
}

function shorten(names: string[]): string {
  const rest = names.length - NAMES_SHOWN;
  return rest > 0 ? `${names.slice(0, NAMES_SHOWN).join(', ')} and ${rest} more` : names.join(', ');
}
