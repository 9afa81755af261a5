/** Traces an eye through the artifacts of a run: archive entry, crop, shard, folds and database records. */

import { placesOfFiles, readIndexes, readPicture } from '../../activities/images/read-shards.ts';
import { fileName } from '../../activities/images/shard-tar.ts';
import { parseDirectory } from '../../activities/images/stored-directory.ts';
import type { IndexedPicture } from '../../activities/images/types.ts';
import { type DatabasePlan, parseRecord } from '../../activities/labels/database-plan.ts';
import type { Fold } from '../../activities/labels/types.ts';
import { readOutput } from '../../activities/regression/stored-files.ts';
import { parseFolds } from '../../activities/regression/tables.ts';
import { VirtualFile } from '../../activities/zip/virtual-file.ts';
import { readEntry, readWindows } from '../../activities/zip/zip-entries.ts';
import type { Version } from '../../config/input.ts';
import { hex } from '../../storage/checksum.ts';
import { readManifest } from '../../storage/stage-outputs.ts';
import { type ArtifactStore, CorruptObject } from '../../storage/store.ts';
import { type TrainedRun, UnusableRun } from '../trained-run.ts';

export interface EyesWay {
  /** `10_left` */
  image: string;
  archive: {
    entry: string;
    /** Offset of its local header in the whole archive. */
    offset: number;
    /** Length of header and data in bytes; null where the store has no valid bytes of the entry. */
    length: number | null;
    /** Bytes of the compressed data, and of the uncompressed data. */
    compressedSize: number;
    size: number;
    /** CRC-32 as eight hexadecimal digits, and whether the stored bytes match it; null where the store no longer has them. */
    crc32: string;
    crcHolds: boolean | null;
    /** Byte ranges of header and data, in one part or across the boundary of two. */
    parts: { name: string; key: string; offset: number; length: number }[];
  };
  photograph: { width: number; height: number; crop: IndexedPicture['crop']; hash: string | null };
  shard: {
    tar: string;
    /** Index of the image in the shard, from 0. */
    position: number;
    pictures: number;
    versions: IndexedPicture['versions'];
  };
  patient: string;
  /** Grade by the human grader. */
  level: number;
  /** One fold, or with `folds.unit: record` one for each version. */
  folds: { version: string | null; fold: Fold }[];
  /** Positions of its records in the databases, from 0. Training records that fill no batch are in no database. */
  records: { version: Version; database: string; record: number }[];
}

const LOCAL_HEADER = 30;

/** Traces an eye. @throws UnusableRun where the run has no such eye, or has quarantined it */
export async function wayOf(store: ArtifactStore, trained: TrainedRun, image: string): Promise<EyesWay> {
  const { prepare, label } = trained.prefixes as { prepare: string; label: string };
  const shards = await readIndexes(store, prepare);
  const shard = shards.find(({ index }) => index.pictures.some(picture => picture.image === image));
  const picture = shard?.index.pictures.find(picture => picture.image === image);
  if (!shard || !picture) throw await noSuchEye(store, trained, image, shards[0]?.index.pictures[0]?.image);
  const rows = parseFolds(await readOutput(store, label, 'folds.csv')).filter(row => row.image === image);
  const [first] = rows;
  if (!first) throw new UnusableRun(`Expected ${image} in folds.csv of run ${trained.run}, got none`);
  const plan = JSON.parse((await readOutput(store, label, 'plan.json')).toString()) as DatabasePlan;
  const { width, height, crop, hash = null, versions } = picture;
  return {
    image,
    archive: await entryOf(store, trained, image),
    photograph: { width, height, crop, hash },
    shard: {
      tar: shard.tar.key,
      position: shard.index.pictures.indexOf(picture),
      pictures: shard.index.pictures.length,
      versions,
    },
    patient: first.patient,
    level: first.level,
    folds: rows.map(({ version, fold }) => ({ version, fold })),
    records: Object.entries(plan.databases).flatMap(([database, lines]) =>
      lines.flatMap((line, record) =>
        line.startsWith(`${image}.`) ? [{ version: parseRecord(line).version, database, record }] : [],
      ),
    ),
  };
}

async function entryOf(store: ArtifactStore, trained: TrainedRun, image: string): Promise<EyesWay['archive']> {
  const { pictures } = parseDirectory(
    (await readOutput(store, trained.prefixes.prepare!, 'directory.json')).toString(),
  );
  const entry = pictures.find(picture => picture.image === image)!;
  const { outputs = {} } = (await readManifest(store, trained.prefixes.download!)) ?? {};
  const stored = Object.entries(outputs)
    .filter(([name]) => /\.\d{3}$/.test(name))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, { key, offset = 0, size, crc32c }]) => ({ name, key, offset, size, crc32c }));
  const file = new VirtualFile(store, stored);
  const { offset, compressedSize, size } = entry;
  const known = { entry: entry.name, offset, compressedSize, size, crc32: hex(entry.crc32) };
  try {
    const header = await file.read(offset, LOCAL_HEADER);
    const length = LOCAL_HEADER + header.readUInt16LE(26) + header.readUInt16LE(28) + compressedSize;
    const parts = file.parts.flatMap(({ name, start, size }, n) => {
      const [from, to] = [Math.max(offset, start), Math.min(offset + length, start + size)];
      const part = stored[n]!;
      return from < to ? [{ name, key: part.key, offset: part.offset + from - start, length: to - from }] : [];
    });
    for await (const window of readWindows(file, [entry])) await readEntry(file, window, entry);
    return { ...known, length, crcHolds: true, parts };
  } catch (error) {
    if (error instanceof CorruptObject) return { ...known, length: null, crcHolds: null, parts: [] };
    if ((error as Error).name === 'DamagedEntry') return { ...known, length: null, crcHolds: false, parts: [] };
    throw error;
  }
}

async function noSuchEye(store: ArtifactStore, { prefixes, run }: TrainedRun, image: string, like?: string) {
  const lines = (await readOutput(store, prefixes.prepare!, 'quarantine.jsonl')).toString().split('\n').filter(Boolean);
  const aside = lines.map(line => JSON.parse(line) as { image: string | null; reason: string });
  const why = aside.find(entry => entry.image === image)?.reason;
  return new UnusableRun(
    why === undefined
      ? `Expected an eye of run ${run}${like ? `, as ${like}` : ''}, got ${image}: it is not in its archive`
      : `Expected an eye that was prepared, got ${image}, which was set aside: ${why}`,
  );
}

export interface StoredPicture {
  image: string;
  version: Version;
  file: string;
  bytes: Buffer;
}

/** Reads prepared images in the given versions. @param prepare `stages/prepare/<key>`; @throws Error where one is in no shard */
export async function readPictures(
  store: ArtifactStore,
  prepare: string,
  images: readonly string[],
  versions: readonly Version[],
): Promise<StoredPicture[]> {
  const wanted = images.flatMap(image => versions.map(version => ({ image, version })));
  const places = placesOfFiles(await readIndexes(store, prepare), wanted.map(fileName));
  return Promise.all(
    places.map(async (place, i) => ({ ...wanted[i]!, file: place.file, bytes: await readPicture(store, place) })),
  );
}
