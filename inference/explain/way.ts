/** One eye's way through the artifacts of a run: where it lies in the archive, what was cut out, into which fold and database it went. */

import { parseDirectory } from '../../activities/images/directory-file.ts';
import { readEntry, readWindows } from '../../activities/images/entries.ts';
import type { IndexedPicture } from '../../activities/images/types.ts';
import { DamagedArchive, VirtualFile } from '../../activities/images/virtual-file.ts';
import { type DatabasePlan, parseRecord } from '../../activities/labels/plan.ts';
import { readIndexes } from '../../activities/labels/shards.ts';
import type { Fold } from '../../activities/labels/types.ts';
import { readManifest, readOutput } from '../../activities/regression/stored-files.ts';
import { parseFolds } from '../../activities/regression/tables.ts';
import type { Version } from '../../config/input.ts';
import type { ArtifactStore } from '../../storage/store.ts';
import { type TrainedRun, UnusableRun } from '../trained-run.ts';

export interface EyesWay {
  /** `10_left` */
  image: string;
  archive: {
    entry: string;
    /** Of its local header in the archive as a whole. */
    offset: number;
    /** Header and data; null where the archive is no longer in the store. */
    length: number | null;
    /** Of the data as it is packed, and unpacked. */
    compressedSize: number;
    size: number;
    /** Eight hexadecimal digits, and whether the bytes in the store have it now; null where there are none. */
    crc32: string;
    crcHolds: boolean | null;
    /** Where those bytes lie: in one part, or across the border of two. */
    parts: { name: string; key: string; offset: number; length: number }[];
  };
  photograph: { width: number; height: number; crop: IndexedPicture['crop']; hash: string | null };
  shard: {
    tar: string;
    /** From 0, of the shard's pictures. */
    position: number;
    pictures: number;
    versions: IndexedPicture['versions'];
  };
  patient: string;
  /** The grader's stage. */
  level: number;
  /** One, or with `folds.unit: record` one for each version. */
  folds: { version: string | null; fold: Fold }[];
  /** Where its records lie in the databases, from 0; training records that fill no batch lie in none. */
  records: { version: Version; database: string; record: number }[];
}

const LOCAL_HEADER = 30;

/** @throws UnusableRun where the run has no such eye, or has set it aside */
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
    if (error instanceof DamagedArchive) return { ...known, length: null, crcHolds: null, parts: [] };
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

const hex = (sum: number): string => sum.toString(16).padStart(8, '0');
