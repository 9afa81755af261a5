/** The file of labels from its source into the store: whole in memory, unwrapped, checked and normalised. */
import { crc32c } from '../../storage/checksum.ts';
import { bytesArtifact } from '../../storage/files.ts';
import type { Artifact, ArtifactStore } from '../../storage/store.ts';
import { finalFailure } from '../failures.ts';
import { type Labels, parseLabels } from './labels.ts';
import { BadAnswer, type Patience, Transient, withRetries } from './retries.ts';
import { type ArchiveSource, SourceChanged } from './source.ts';
import type { DownloadedLabels } from './types.ts';
import { unwrapSmall } from './wrapper.ts';

/** The competition's labels have half a megabyte; what is a hundred times that is something else. */
const LIMIT = 64 << 20;
const ZIP = Buffer.from('PK\x03\x04', 'latin1');

export interface LabelTools {
  source: ArchiveSource;
  /** Under `archives/`. */
  folder: string;
  /** Its name there; `labels.csv` unless given. */
  as?: string;
  store: ArtifactStore;
  patience: Patience;
  signal: AbortSignal;
}

/**
 * Writes `archives/<folder>/labels.csv`, or under the name of `as`.
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

/** The table itself. @throws `BadLabels` naming the line */
export async function readLabels(
  name: string,
  { source, patience, signal }: Pick<LabelTools, 'source' | 'patience' | 'signal'>,
): Promise<Labels> {
  const bytes = await readWhole(name, source, patience, signal);
  // A table cannot begin like a zip, so that here the first bytes tell what no name has to.
  const isZip = bytes.subarray(0, ZIP.length).equals(ZIP);
  const table = isZip ? await unwrapSmall(name, bytes, LIMIT) : { name, data: bytes };
  return parseLabels(table.data, table.name);
}

/** Stores the bytes; under a name of their own where an earlier version of the source has left others, which may be in use. */
async function putBeside(store: ArtifactStore, artifact: Artifact, bytes: Buffer): Promise<Artifact> {
  const { key } = artifact;
  if ((await store.put(key, bytes)).created || (await store.get(key)).equals(bytes)) return artifact;
  const own = key.replace(/\.csv$/, `-${artifact.crc32c.toString(16).padStart(8, '0')}.csv`);
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
    // The next attempt opens it anew.
    if (error instanceof SourceChanged) throw new Transient(error.message);
    throw error;
  }
}
