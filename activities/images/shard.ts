/** One shard: its entries read, checked, made into their versions and written as one tar, a few pictures at a time. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Version } from '../../config/input.ts';
import type { PictureEntry } from './check-entries.ts';
import { DamagedEntry, readEntry, readWindows, type Window } from './entries.ts';
import { type PictureOptions, type PreparedPicture, preparePicture, UnusablePicture } from './prepare-picture.ts';
import { createShardTar } from './shard-tar.ts';
import type { IndexedPicture, QuarantinedEntry } from './types.ts';
import type { VirtualFile } from './virtual-file.ts';

export interface ShardJob {
  file: VirtualFile;
  entries: readonly PictureEntry[];
  options: PictureOptions;
  /** An existing folder of this attempt's own for the tars. */
  folder: string;
  keepOriginals: boolean;
  signal: AbortSignal;
  /** Called with the number of pictures done. */
  onProgress: (done: number) => void;
}

export interface MadeShard {
  /** Path of the tar of PNGs. */
  tar: string;
  /** Path of the tar of JPEGs, when they are kept: all whose bytes are whole, even those that no version could be made of. */
  originals: string | null;
  pictures: IndexedPicture[];
  quarantined: QuarantinedEntry[];
  /** Uncompressed bytes read. */
  bytes: number;
  crcErrors: number;
  unzipSeconds: number;
  augmentSeconds: number;
}

interface Outcome {
  entry: PictureEntry;
  jpeg: Buffer | undefined;
  picture: PreparedPicture | undefined;
  /** Why there is no picture. */
  reason: string;
  unzipSeconds: number;
  augmentSeconds: number;
}

/** One at work in libvips and one in zlib or on its way to the tar; a worker runs a shard for each of its cores. */
const IN_FLIGHT = 2;

/**
 * Makes a shard's files in `folder`. Pictures end up in the order of their entries, whichever is ready first.
 * @throws the signal's reason when it is aborted; DamagedArchive and what the store throws
 */
export async function makeShard(job: ShardJob): Promise<MadeShard> {
  const paths = { tar: join(job.folder, 'shard.tar'), originals: join(job.folder, 'originals.tar') };
  const tar = createShardTar(paths.tar);
  const originals = job.keepOriginals ? createShardTar(paths.originals) : undefined;
  const made: MadeShard = {
    tar: paths.tar,
    originals: originals ? paths.originals : null,
    pictures: [],
    quarantined: [],
    bytes: 0,
    crcErrors: 0,
    unzipSeconds: 0,
    augmentSeconds: 0,
  };
  let done = 0;
  const write = async ({ entry, jpeg, picture, reason, unzipSeconds, augmentSeconds }: Outcome) => {
    made.unzipSeconds += unzipSeconds;
    made.augmentSeconds += augmentSeconds;
    if (jpeg === undefined) made.crcErrors++;
    else {
      made.bytes += jpeg.length;
      await originals?.add(`${entry.image}.jpeg`, jpeg);
    }
    if (picture === undefined) made.quarantined.push({ entry: entry.name, image: entry.image, reason });
    else {
      const versions: IndexedPicture['versions'] = {};
      for (const { version, bytes } of picture.pngs) {
        versions[version] = await tar.add(pngName(entry.image, version), bytes);
      }
      const { width, height, crop, hash } = picture;
      made.pictures.push({ image: entry.image, stage: entry.stage, width, height, crop, hash, versions });
    }
    job.onProgress(++done);
  };

  const inFlight: Promise<Outcome>[] = [];
  try {
    for await (const window of readWindows(job.file, job.entries)) {
      made.unzipSeconds += window.seconds;
      for (const entry of window.entries) {
        job.signal.throwIfAborted();
        const outcome = prepareEntry(job, window, entry);
        // Awaited in order: a failure further back must not count as unheard until its turn comes.
        outcome.catch(() => undefined);
        inFlight.push(outcome);
        if (inFlight.length >= IN_FLIGHT) await write(await inFlight.shift()!);
      }
    }
    for (const outcome of inFlight.splice(0)) await write(await outcome);
    await tar.finish();
    await originals?.finish();
    return made;
  } catch (error) {
    await Promise.allSettled([...inFlight, tar.abandon(), originals?.abandon()]);
    await Promise.all(Object.values(paths).map(path => rm(path, { force: true })));
    throw error;
  }
}

/** As WebDataset names them: all up to the first dot is the sample, the rest says which of its files. */
export function pngName(image: string, version: Version): string {
  return `${image}.${version}.png`;
}

async function prepareEntry(job: ShardJob, window: Window, entry: PictureEntry): Promise<Outcome> {
  const outcome: Outcome = {
    entry,
    jpeg: undefined,
    picture: undefined,
    reason: '',
    unzipSeconds: 0,
    augmentSeconds: 0,
  };
  const started = performance.now();
  let unzipped = started;
  try {
    outcome.jpeg = await readEntry(job.file, window, entry);
    unzipped = performance.now();
    outcome.picture = await preparePicture(outcome.jpeg, job.options);
  } catch (error) {
    if (!(error instanceof DamagedEntry || error instanceof UnusablePicture)) throw error;
    outcome.reason = error.message;
    if (outcome.jpeg === undefined) unzipped = performance.now();
  }
  outcome.unzipSeconds = (unzipped - started) / 1_000;
  outcome.augmentSeconds = (performance.now() - unzipped) / 1_000;
  return outcome;
}
