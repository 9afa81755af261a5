/** Reads prepared pictures out of their shards. */

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pLimit from 'p-limit';
import type { Version } from '../../config/input.ts';
import { getArtifact, getJson } from '../../storage/files.ts';
import type { Manifest } from '../../storage/manifest.ts';
import type { Artifact, ArtifactStore } from '../../storage/store.ts';
import type { ShardIndex } from '../images/types.ts';
import { fileName } from './plan.ts';

/** Where one PNG lies. */
export interface PicturePlace {
  file: string;
  /** Key of the shard's tar. */
  tar: string;
  offset: number;
  size: number;
}

/** A gap up to this many bytes is read along, because a request of its own would cost more. */
const LARGEST_GAP = 256 * 1024;
const LARGEST_READ = 8 * 1024 * 1024;
const READS_AT_ONCE = 4;

/**
 * The indexes of all shards of a finished prepare stage, in order.
 * @throws Error when the stage has no manifest
 */
export async function readIndexes(
  store: ArtifactStore,
  prepare: string,
): Promise<{ tar: Artifact; index: ShardIndex }[]> {
  const manifest = await getJson<Manifest>(store, `${prepare}/manifest.json`);
  if (!manifest)
    throw new Error(`Expected ${prepare}/manifest.json in ${store.url}, got nothing: run the stage before`);
  const outputs = new Map(Object.values(manifest.outputs).map(artifact => [artifact.key, artifact]));
  const indexes = [...outputs.values()]
    .filter(({ key }) => key.endsWith('.index.json'))
    .sort((a, b) => (a.key < b.key ? -1 : 1));
  const limit = pLimit(READS_AT_ONCE);
  return Promise.all(
    indexes.map(artifact =>
      limit(async () => {
        const tar = outputs.get(artifact.key.replace(/index\.json$/, 'tar'));
        if (!tar) throw new Error(`Expected the shard of ${artifact.key} in ${prepare}/manifest.json, got none`);
        return { tar, index: JSON.parse((await getArtifact(store, artifact)).toString('utf8')) as ShardIndex };
      }),
    ),
  );
}

/** Where each version of each picture lies, by the name of its file. */
export function placesOf(shards: readonly { tar: Artifact; index: ShardIndex }[]): Map<string, PicturePlace> {
  const places = new Map<string, PicturePlace>();
  for (const { tar, index } of shards) {
    for (const { image, versions } of index.pictures) {
      for (const [version, range] of Object.entries(versions)) {
        const file = fileName({ image, version: version as Version });
        places.set(file, { file, tar: tar.key, offset: range.offset, size: range.size });
      }
    }
  }
  return places;
}

/** Joins pictures that lie close together into reads of bounded size. */
export function coalesce<Place extends PicturePlace>(places: readonly Place[]): Place[][] {
  const sorted = places.toSorted((a, b) => (a.tar === b.tar ? a.offset - b.offset : a.tar < b.tar ? -1 : 1));
  const reads: Place[][] = [];
  for (const place of sorted) {
    const read = reads.at(-1);
    const first = read?.[0];
    const last = read?.at(-1);
    if (
      read &&
      first &&
      last &&
      first.tar === place.tar &&
      place.offset - (last.offset + last.size) <= LARGEST_GAP &&
      place.offset + place.size - first.offset <= LARGEST_READ
    ) {
      read.push(place);
    } else reads.push([place]);
  }
  return reads;
}

/** Writes the pictures as files into `folder`, which is made. */
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
 * Reads the pictures in the order of their shards and hands each to `take`, some at a time.
 * @param onProgress is told how many have been taken
 * @throws the signal's reason, or of the failures the first in that order, when no `take` runs any more
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
  let taken = 0;
  const takeAll = async (read: Place[]) => {
    signal.throwIfAborted();
    failure.signal.throwIfAborted();
    const first = read[0]!;
    const last = read.at(-1)!;
    const bytes = await store.get(first.tar, {
      offset: first.offset,
      length: last.offset + last.size - first.offset,
    });
    for (const place of read) {
      const { file, offset, size } = place;
      const at = offset - first.offset;
      const picture = bytes.subarray(at, at + size);
      if (picture.length !== size)
        throw new Error(`Expected ${file} at byte ${offset} of ${first.tar}, got the end of the shard`);
      await take(place, picture);
    }
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
  // All must have ended before the caller may remove what it has made of them. Whatever lies before a failure had begun by then and
  // came to its own end, so that the same pictures are refused by the same words each time.
  const ended = await Promise.allSettled(reads);
  signal.throwIfAborted();
  const failed = ended.find(read => read.status === 'rejected');
  if (failed) throw failed.reason;
}
