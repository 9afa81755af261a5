/** Opens the archive, and checks everything that needs no image to be read. */
import { setImmediate } from 'node:timers/promises';
import { ApplicationFailure } from '@temporalio/common';
import { compileEntryPattern, type EntryPattern } from '../../config/entry-pattern.ts';
import { quote } from '../../lib/quote.ts';
import { getArtifact, putBytes } from '../../storage/artifacts.ts';
import type { ArtifactStore } from '../../storage/store.ts';
import { parseLabels } from '../download/parse-labels.ts';
import { finalFailure } from '../failures.ts';
import { packingProblem } from '../zip/packing.ts';
import { DamagedArchive, VirtualFile } from '../zip/virtual-file.ts';
import { type Directory, type DirectoryRecord, readDirectory } from '../zip/zip-directory.ts';
import { tooManyQuarantined } from './quarantine.ts';
import { formatDirectory } from './stored-directory.ts';
import type { OpenArchiveArgs, OpenedArchive } from './types.ts';
import { type CheckedEntries, checkEntries } from './validate-entries.ts';
import { namingForeignParts, probeParts } from './verify-parts.ts';

/** Characters of a name in the labels that a message shows. */
const LONGEST_SHOWN = 64;

/**
 * Reads and checks the directory of the parts, and stores it as `<prefix>/directory.json`.
 * @throws CorruptObject, DamagedArchive; final failures `BadInput`, `BadArchive`, `BadLabels`
 */
export async function openArchive(
  store: ArtifactStore,
  args: OpenArchiveArgs,
  signal: AbortSignal,
): Promise<OpenedArchive> {
  const file = new VirtualFile(store, args.parts);
  return open(store, file, args, signal).catch(async error => {
    // The archive is at fault only if its source sent these bytes. The directory, which shows the problem, ends the last part.
    if (error instanceof DamagedArchive || error instanceof ApplicationFailure) await file.verify(file.size - 1, 1);
    throw error;
  });
}

async function open(
  store: ArtifactStore,
  file: VirtualFile,
  args: OpenArchiveArgs,
  signal: AbortSignal,
): Promise<OpenedArchive> {
  const { prefix, images } = args;
  const given = entryPattern(args.archive.entries);
  const { name } = args.archive;
  const directory = await namingForeignParts(file, name, async () => {
    await file.checkParts();
    return readDirectory(file);
  });
  // A flipped bit in a record (its CRC-32, its size) would look like a damaged image.
  await file.verify(directory.offset, file.size - directory.offset);
  const pattern = await matchNames(directory.records, given, signal);
  const packed = packingProblem(directory.records, pattern, name, images.maxQuarantined);
  if (packed !== undefined) throw finalFailure('BadArchive', packed);
  const labels = args.labels && parseLabels(await getArtifact(store, args.labels), args.labels.key).levels;
  const checked = checkEntries(directory, pattern, labels);
  const { pictures, quarantined, ignored, withoutLabel, labelsWithoutPicture } = checked;

  if (withoutLabel > pictures.length) {
    const [label] = labels?.keys() ?? [];
    const picture = quarantined.find(({ image }) => image !== null && !labels?.has(image))?.image;
    throw finalFailure(
      'BadLabels',
      `Expected labels for the pictures of ${name}, got none for ${withoutLabel} of ${withoutLabel + pictures.length}: labels that don't match the archive? They name ${label?.slice(0, LONGEST_SHOWN)}, where it has ${picture}: make them alike, or set archive.labels to null to go without`,
    );
  }
  if (pictures.length === 0) throw finalFailure('BadArchive', noPictures(checked, directory, pattern, name));
  await namingForeignParts(file, name, () => probeParts(file, pictures));
  const stored = await putBytes(store, `${prefix}/directory.json`, formatDirectory({ pictures, quarantined }));
  const problem = tooManyQuarantined(
    quarantined,
    pictures.length + quarantined.length,
    images.maxQuarantined,
    stored.key,
  );
  if (problem !== undefined) throw finalFailure('BadArchive', problem);

  return {
    directory: stored,
    pictures: pictures.length,
    shards: Math.ceil(pictures.length / images.shardSize),
    bytes: pictures.reduce((sum, picture) => sum + picture.size, 0),
    quarantined: quarantined.length,
    ignored,
    labelsWithoutPicture,
  };
}

function noPictures(
  { quarantined }: CheckedEntries,
  { records }: Directory,
  pattern: EntryPattern,
  name: string,
): string {
  const named = quarantined.find(({ entry }) => pattern.test(entry));
  const { entry, reason } = named ?? quarantined[0] ?? {};
  if (named) {
    return `Expected pictures in ${name}, got none that can be used among ${records.length} entries, as ${JSON.stringify(entry)}: ${reason}`;
  }
  const first = entry === undefined ? '' : ` It has ${JSON.stringify(entry)}`;
  return `Expected pictures named like ${quote(pattern.source)} in ${name}, got none among ${records.length} entries: is archive.entries right?${first}`;
}

/** Milliseconds after which the loop yields to other work, such as the heartbeat. */
const TURN_MS = 50;

/** Compiles the pattern of the entries' names. @throws `BadInput` with the reason */
export function entryPattern(source: string): EntryPattern {
  try {
    return compileEntryPattern(source);
  } catch (error) {
    throw finalFailure(
      'BadInput',
      `Expected \`archive.entries\` to be a regular expression, got \`${quote(source)}\`: ${(error as Error).message}`,
    );
  }
}

/**
 * Matches the names of all entries.
 * @returns a pattern of the same source that only looks the names up
 */
export async function matchNames(
  records: readonly Pick<DirectoryRecord, 'name'>[],
  pattern: EntryPattern,
  signal: AbortSignal,
): Promise<EntryPattern> {
  const matched = new Set<string>();
  let turn = performance.now();
  for (const { name } of records) {
    const text = name.toString('utf8');
    // Names are also matched with slashes, so that a name with backslashes differs from one that does not match.
    for (const written of new Set([text, text.replaceAll('\\', '/')])) if (pattern.test(written)) matched.add(written);
    if (performance.now() - turn < TURN_MS) continue;
    await setImmediate();
    signal.throwIfAborted();
    turn = performance.now();
  }
  return { source: pattern.source, test: name => matched.has(name) };
}
