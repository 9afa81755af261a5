/** Selects the archive's parts and the labels from a listing. Pure. */
import type { PipelineInput } from '../../config/input.ts';
import { quote } from '../../lib/quote.ts';
import { sha256 } from '../../storage/checksum.ts';
import { finalFailure } from '../failures.ts';
import type { SourceFile } from './source.ts';

export interface PickedFiles {
  parts: SourceFile[];
  labels: SourceFile | null;
  sample: SourceFile | null;
}

/** Names that an error shows before it only counts the rest. */
const NAMES_SHOWN = 5;

/**
 * Selects the parts, the labels and the sample submission.
 * @param source the source's name, for errors
 * @throws `BadInput` when a part, the labels or the sample is missing, or there are more parts than expected
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
    const got = wholeInstead(listing, archive) ?? describe(listing);
    throw finalFailure('BadInput', `${expected} (${wanted[0]}, …) in ${source}, got ${got}`);
  }
  const present = wanted.length - missing.length;
  if (missing.length > 0 && found.length === present && missing[0] === wanted[present]) {
    throw finalFailure(
      'BadInput',
      `${expected} in ${source}, got ${present} (${present === 1 ? '' : `${wanted[0]} to `}${wanted[present - 1]}): ${setParts(present)} if that is all of it, or add ${shorten(missing)}`,
    );
  }
  if (missing.length > 0) {
    const verb = missing.length === 1 ? 'is' : 'are';
    throw finalFailure('BadInput', `${expected}, got ${present}: ${shorten(missing)} ${verb} missing in ${source}`);
  }
  if (found.length > wanted.length) {
    throw finalFailure(
      'BadInput',
      `${expected}, got ${found.length} in ${source}: ${setParts(found.length)} if they all belong to it`,
    );
  }
  return {
    parts: wanted.map(name => byName.get(name)!),
    labels: pickTable(byName, archive.labels, source, 'set archive.labels to the file of labels'),
    sample: pickTable(byName, archive.sample ?? null, source, 'set archive.sample to the sample submission'),
  };
}

/**
 * Returns a hash of the source's folder and its files' names, sizes and dates. Two sources with equal listings may hold
 * different bytes, so the folder is part of the hash.
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

/** Describes what the source has instead of parts, and what to do. It may hold the whole zip, or one other zip with all files. */
function wholeInstead(listing: readonly SourceFile[], { name, labels, sample }: PipelineInput['archive']) {
  if (listing.some(file => file.name === name)) {
    return `${name} itself: give it the name of a part (ln ${name} ${partName(name, 1)}), and ${setParts(1)}`;
  }
  const tables = [labels, sample].flatMap(table => (table ? [table, `${table}.zip`] : []));
  const zips = listing.filter(file => file.name.endsWith('.zip') && !tables.includes(file.name));
  return zips.length === 1 ? `${zips[0]!.name}: unzip it there if the parts are in it` : undefined;
}

const setParts = (n: number) => `set archive.parts to ${n} (--set archive.parts=${n}, of score --parts ${n})`;

const partName = (archive: string, n: number) => `${archive}.${String(n).padStart(3, '0')}`;

const isPart = (name: string, archive: string) =>
  name.startsWith(`${archive}.`) && /^\d{3}$/.test(name.slice(archive.length + 1));

function describe(listing: readonly SourceFile[]): string {
  return listing.length === 0 ? 'no files' : shorten(listing.map(({ name }) => name));
}

function shorten(names: string[]): string {
  const rest = names.length - NAMES_SHOWN;
  const shown = names.slice(0, NAMES_SHOWN).map(name => quote(name));
  return rest > 0 ? `${shown.join(', ')} and ${rest} more` : shown.join(', ');
}
