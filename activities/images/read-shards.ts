/** Reads prepared images from their shards. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pLimit from 'p-limit';
import type { Version } from '../../config/input.ts';
import { getArtifact } from '../../storage/artifacts.ts';
import { isLarge, openLarge } from '../../storage/large.ts';
import { needManifest } from '../../storage/stage-outputs.ts';
import { type Artifact, type ArtifactStore, CorruptObject, ObjectNotFound } from '../../storage/store.ts';
import { opener } from '../zip/virtual-file.ts';
import { isWholePng } from './png.ts';
import { fileName } from './shard-tar.ts';
import type { ShardIndex } from './types.ts';

/** Location of one PNG. */
export interface PicturePlace {
  file: string;
  /** Key of the shard's tar. */
  tar: string;
  offset: number;
  size: number;
}

/** A gap of up to this many bytes is read too, because a request of its own would cost more. */
const LARGEST_GAP = 256 * 1024;
const LARGEST_READ = 8 * 1024 * 1024;
const READS_AT_ONCE = 4;

/**
 * Reads the indexes of all shards of a finished prepare stage, in order.
 * @throws CorruptObject, also when the stage has no manifest
 */
export async function readIndexes(
  store: ArtifactStore,
  prepare: string,
): Promise<{ tar: Artifact; index: ShardIndex }[]> {
  const manifest = await needManifest(store, prepare);
  const outputs = new Map(Object.values(manifest.outputs).map(artifact => [artifact.key, artifact]));
  const indexes = [...outputs.values()]
    .filter(({ key }) => key.endsWith('.index.json'))
    .sort((a, b) => (a.key < b.key ? -1 : 1));
  const limit = pLimit(READS_AT_ONCE);
  return Promise.all(
    indexes.map(artifact =>
      limit(async () => {
        const index = JSON.parse((await getArtifact(store, artifact)).toString('utf8')) as ShardIndex;
        const tar = outputs.get(index.tar);
        if (!tar) throw new Error(`Expected the shard of ${artifact.key} in ${prepare}/manifest.json, got none`);
        return { tar, index };
      }),
    ),
  );
}

/** Returns the location of each version of each image, by file name. */
export function placesOf(shards: readonly { tar: Artifact; index: ShardIndex }[]): Map<string, PicturePlace> {
  const places = new Map<string, PicturePlace>();
  for (const { tar, index } of shards)
    for (const { image, versions } of index.pictures)
      for (const [version, { offset, size }] of Object.entries(versions)) {
        const file = fileName({ image, version: version as Version });
        places.set(file, { file, tar: tar.key, offset, size });
      }
  return places;
}

/** Returns the locations of the files, in order. @throws Error where one is in no shard */
export function placesOfFiles(shards: Parameters<typeof placesOf>[0], files: readonly string[]): PicturePlace[] {
  const places = placesOf(shards);
  return files.map(file => {
    const place = places.get(file);
    if (place === undefined) throw new Error(`Expected ${file} in the shards of the run, got none`);
    return place;
  });
}

/** Reads the PNG at a location. @throws CorruptObject naming the tar */
export async function readPicture(store: ArtifactStore, place: PicturePlace): Promise<Buffer> {
  return (await readSpan(store, opener(store), [place]))[0]!;
}

/** Reads PNGs of one tar with one read. Reads data that looks corrupt once more, as a read may fail in transit. */
async function readSpan(
  store: ArtifactStore,
  open: ReturnType<typeof opener>,
  places: readonly PicturePlace[],
): Promise<Buffer[]> {
  const [first, last] = [places[0]!, places.at(-1)!];
  const span = { offset: first.offset, length: last.offset + last.size - first.offset };
  for (let time = 1; ; time++) {
    const bytes = await open({ key: first.tar })
      .then(read => read(span.offset, span.length))
      .catch(error => {
        if (error instanceof ObjectNotFound) return Buffer.alloc(0);
        throw error;
      });
    const pngs = places.map(({ offset, size }) => bytes.subarray(offset - span.offset, offset - span.offset + size));
    const corrupt = places.find((_, n) => !isWholePng(pngs[n]!));
    if (!corrupt) return pngs;
    if (time === 2) {
      const { file, offset, tar } = corrupt;
      if (isLarge({ key: tar })) await (await openLarge(store, tar)).verify(span);
      const got = bytes.length === 0 ? 'nothing' : bytes.length < span.length ? 'the end of the shard' : 'other bytes';
      throw new CorruptObject(store, tar, `Expected ${file} at byte ${offset} of ${tar} in ${store.url}, got ${got}`);
    }
  }
}

/** Joins images that are close together into reads of bounded size. */
export function coalesce<Place extends PicturePlace>(places: readonly Place[]): Place[][] {
  const sorted = places.toSorted((a, b) => (a.tar === b.tar ? a.offset - b.offset : a.tar < b.tar ? -1 : 1));
  const belongs = (place: Place, read: readonly Place[]) => {
    const [first, last] = [read[0]!, read.at(-1)!];
    const isNear = place.offset - (last.offset + last.size) <= LARGEST_GAP;
    return first.tar === place.tar && isNear && place.offset + place.size - first.offset <= LARGEST_READ;
  };
  const reads: Place[][] = [];
  for (const place of sorted) {
    const read = reads.at(-1);
    if (read && belongs(place, read)) read.push(place);
    else reads.push([place]);
  }
  return reads;
}

/** Writes the images as files into `folder`, which it creates. */
export async function extractPictures(
  store: ArtifactStore,
  places: readonly PicturePlace[],
  folder: string,
  signal: AbortSignal,
  onProgress: (extracted: number) => void,
): Promise<void> {
  await mkdir(folder, { recursive: true });
  await readPictures(store, places, signal, ({ file }, bytes) => writeFile(join(folder, file), bytes), onProgress);
}

/**
 * Reads the images in the order of their shards and passes each to `take`, several reads at a time.
 * @param onProgress gets the number of images taken so far
 * @throws the signal's reason, or the first failure in that order, after every `take` has ended
 */
export async function readPictures<Place extends PicturePlace>(
  store: ArtifactStore,
  places: readonly Place[],
  signal: AbortSignal,
  take: (place: Place, bytes: Buffer) => Promise<void>,
  onProgress: (taken: number) => void,
): Promise<void> {
  const limit = pLimit(READS_AT_ONCE);
  const failure = new AbortController();
  const open = opener(store);
  let taken = 0;
  const takeAll = async (read: Place[]) => {
    signal.throwIfAborted();
    failure.signal.throwIfAborted();
    const pictures = await readSpan(store, open, read);
    for (const [n, place] of read.entries()) await take(place, pictures[n]!);
    taken += read.length;
    onProgress(taken);
  };
  const reads = coalesce(places).map(read =>
    limit(() =>
      takeAll(read).catch(error => {
        failure.abort(error);
        throw error;
      }),
    ),
  );
  // All reads must have ended before the caller may remove the results. Reads before a failed one had already started and
  // ended normally, so the same images give the same error each time.
  const ended = await Promise.allSettled(reads);
  signal.throwIfAborted();
  const failed = ended.find(read => read.status === 'rejected');
  if (failed) throw failed.reason;
}
