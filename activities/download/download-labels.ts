/** Stores the file of labels: reads it whole into memory, unwraps, checks and normalizes it. */

import { bytesArtifact } from '../../storage/artifacts.ts';
import { crc32c, hex } from '../../storage/checksum.ts';
import type { Artifact, ArtifactStore } from '../../storage/store.ts';
import { finalFailure } from '../failures.ts';
import { foreignWhole } from '../zip/foreign-file.ts';
import { type Labels, parseLabels } from './parse-labels.ts';
import { BadAnswer, type Patience, Transient, withRetries } from './retry.ts';
import { unwrapSmall } from './single-entry-zip.ts';
import { type ArchiveSource, SourceChanged } from './source.ts';
import type { DownloadedLabels } from './types.ts';

/** The competition's labels have half a megabyte. A file of a hundred times that is something else. */
const LIMIT = 64 << 20;
const ZIP = Buffer.from('PK\x03\x04', 'latin1');

export interface LabelTools {
  source: ArchiveSource;
  /** Name of the folder under `archives/`. */
  folder: string;
  /** Name of the file in that folder; `labels.csv` by default. */
  as?: string;
  store: ArtifactStore;
  patience: Patience;
  signal: AbortSignal;
}

/**
 * Writes `archives/<folder>/labels.csv`, or `as` in place of `labels.csv`.
 * @throws `BadLabels` naming the line
 */
export async function downloadLabels(
  name: string,
  { folder, as = 'labels.csv', store, ...tools }: LabelTools,
): Promise<DownloadedLabels> {
  const { csv, rows, stages } = await readLabels(name, tools);
  const normal = Buffer.from(csv);
  const artifact = bytesArtifact(`archives/${folder}/${as}`, normal);
  return { ...(await putBeside(store, artifact, normal)), rows, stages };
}

/** Reads and parses the table. @throws `BadLabels` naming the line */
export async function readLabels(
  name: string,
  { source, patience, signal }: Pick<LabelTools, 'source' | 'patience' | 'signal'>,
): Promise<Labels> {
  const bytes = await readWhole(name, source, patience, signal);
  // A table cannot start with a zip's signature, so the first bytes decide and the name need not.
  const isZip = bytes.subarray(0, ZIP.length).equals(ZIP);
  const table = isZip ? await unwrapSmall(name, bytes, LIMIT) : { name, data: bytes };
  const instead = foreignWhole(table.data);
  if (instead !== undefined) {
    throw finalFailure('BadLabels', `Expected ${table.name} to be a table of images and levels, got ${instead}`);
  }
  return parseLabels(table.data, table.name);
}

/** Stores the bytes. Where the key holds those of an earlier version, which may be in use, they get a key of their own. */
async function putBeside(store: ArtifactStore, artifact: Artifact, bytes: Buffer): Promise<Artifact> {
  const { key } = artifact;
  if ((await store.put(key, bytes)).created || (await store.get(key)).equals(bytes)) return artifact;
  const own = key.replace(/\.csv$/, `-${hex(artifact.crc32c)}.csv`);
  await store.put(own, bytes);
  return { ...artifact, key: own };
}

async function readWhole(
  name: string,
  source: ArchiveSource,
  patience: Patience,
  signal: AbortSignal,
): Promise<Buffer> {
  const object = await source.open(name, signal);
  if (object === 'unchanged') throw new TypeError('Expected a file, as no version was given');
  const { size } = object.version;
  if (size === 0 || size > LIMIT) {
    throw finalFailure('BadLabels', `Expected ${name} in ${source.name} to have 1 to ${LIMIT} bytes, got ${size}`);
  }
  try {
    const read = async () => {
      const pieces: Buffer[] = [];
      for await (const piece of object.stream({ offset: 0, length: size }, signal)) pieces.push(Buffer.from(piece));
      return Buffer.concat(pieces);
    };
    const bytes = await withRetries(read, patience, signal);
    if (object.crc32c === null || object.crc32c === crc32c(bytes)) return bytes;
    throw new BadAnswer(`Expected ${name} to have the CRC-32C that its source states, got another`);
  } catch (error) {
    // The next attempt opens the file again.
    if (error instanceof SourceChanged) throw new Transient(error.message);
    throw error;
  }
}
