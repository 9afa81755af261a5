/** Opens the archive: everything that can be known without reading a picture is checked here. */
import { getArtifact, putBytes } from '../../storage/files.ts';
import type { ArtifactStore } from '../../storage/store.ts';
import { finalFailure } from '../failures.ts';
import { readDirectory } from './archive.ts';
import { checkEntries } from './check-entries.ts';
import { formatDirectory } from './directory-file.ts';
import { parseLabels } from './labels.ts';
import { probeParts } from './probe-parts.ts';
import { tooManyQuarantined } from './quarantine.ts';
import type { OpenArchiveArgs, OpenedArchive } from './types.ts';
import { VirtualFile } from './virtual-file.ts';

/**
 * Reads and checks the directory of the parts, and stores it as `<prefix>/directory.json`.
 * @throws DamagedArchive; final failures `BadInput`, `BadArchive`, `BadLabels`
 */
export async function openArchive(store: ArtifactStore, args: OpenArchiveArgs): Promise<OpenedArchive> {
  const { prefix, images } = args;
  const pattern = compile(args.archive.entries);
  const file = new VirtualFile(store, args.parts);
  await file.checkParts();
  const directory = await readDirectory(file);
  const labels = args.labels && parseLabels(await getArtifact(store, args.labels));
  const { pictures, quarantined, withoutLabel, labelsWithoutPicture } = checkEntries(directory, pattern, labels);

  if (withoutLabel > pictures.length) {
    throw finalFailure(
      'BadLabels',
      `Expected labels for the pictures of ${args.archive.name}, got none for ${withoutLabel} of ${withoutLabel + pictures.length}: labels that don't match the archive? (set archive.labels to null to go without)`,
    );
  }
  if (pictures.length === 0) {
    const first = quarantined[0];
    throw finalFailure(
      'BadArchive',
      `Expected pictures named like ${pattern.source} in ${args.archive.name}, got none among ${directory.records.length} entries: is archive.entries right?${first ? `\n  ${JSON.stringify(first.entry)}: ${first.reason}` : ''}`,
    );
  }
  await probeParts(file, pictures);
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
    labelsWithoutPicture,
  };
}

function compile(entries: string): RegExp {
  try {
    return new RegExp(entries);
  } catch (error) {
    throw finalFailure(
      'BadInput',
      `Expected \`archive.entries\` to be a regular expression, got \`${entries}\`: ${(error as Error).message}`,
    );
  }
}
