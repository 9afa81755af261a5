/** Prepares one shard, a few images at a time: reads and checks its entries, makes their versions and stores one tar. */
import { join } from 'node:path';
import { getArtifact, putBytes, putFile } from '../../storage/artifacts.ts';
import { type ActivityServices, inWorkspace } from '../dependencies.ts';
import { finishedOnce } from '../finished-work.ts';
import { VirtualFile } from '../zip/virtual-file.ts';
import { DamagedEntry, readEntry, readWindows, type Window } from '../zip/zip-entries.ts';
import { UnusablePicture } from './decode-jpeg.ts';
import { type PreparedPicture, preparePicture } from './prepare-picture.ts';
import { formatQuarantine } from './quarantine.ts';
import { createShardTar, fileName } from './shard-tar.ts';
import { parseDirectory } from './stored-directory.ts';
import type {
  IndexedPicture,
  PreparedShard,
  PrepareShardArgs,
  QuarantinedEntry,
  ShardIndex,
  ShardProgress,
} from './types.ts';
import type { PictureEntry } from './validate-entries.ts';

/** The shard's objects, and figures of the attempt that made it. Seconds differ between attempts. */
type ShardSummary = Omit<PreparedShard, 'reused'>;

interface Outcome {
  entry: PictureEntry;
  jpeg: Buffer | undefined;
  picture: PreparedPicture | undefined;
  /** Reason why there is no image. */
  reason: string;
  unzipSeconds: number;
  augmentSeconds: number;
}

/** One image in libvips, and one in zlib or being written to the tar. A worker runs one shard per core. */
const IN_FLIGHT = 2;

/** Returns the keys of a shard's objects. The summary is written last and makes the shard complete. */
export function shardKeys(prefix: string, shard: number) {
  const base = `${prefix}/shard-${String(shard).padStart(3, '0')}`;
  return {
    tar: `${base}.tar`,
    /** The JPEGs, where `images.keepOriginals` is set: all that were read intact, even those without usable versions. */
    originals: `${base}.originals.tar`,
    quarantine: `${base}.quarantine.jsonl`,
    /** A `ShardSummary`. */
    summary: `${base}.summary.json`,
    index: `${base}.index.json`,
  };
}

/**
 * Prepares shard `args.shard`: writes the tar, index, originals and quarantine list, and the summary last. Images keep the order of
 * their entries, whichever is ready first.
 * @throws CorruptObject, DamagedArchive; the signal's reason when it is aborted; the store's errors
 */
export function prepareShard(
  services: Pick<ActivityServices, 'store' | 'scratch'>,
  args: PrepareShardArgs,
  report: (progress: ShardProgress) => void,
  signal: AbortSignal,
): Promise<PreparedShard> {
  const { summary } = shardKeys(args.prefix, args.shard);
  const artifactsOf = ({ tar, index, originals, quarantine }: ShardSummary) => [tar, index, originals, quarantine];
  return finishedOnce(services.store, summary, artifactsOf, () =>
    inWorkspace(services, `shard-${args.shard}`, folder => makeShard(services, args, folder, report, signal)),
  );
}

async function makeShard(
  { store }: Pick<ActivityServices, 'store'>,
  { prefix, shard, parts, images, directory }: PrepareShardArgs,
  folder: string,
  report: (progress: ShardProgress) => void,
  signal: AbortSignal,
): Promise<ShardSummary> {
  const all = parseDirectory((await getArtifact(store, directory)).toString()).pictures;
  const entries = all.slice(shard * images.shardSize, (shard + 1) * images.shardSize);
  const file = new VirtualFile(store, parts);
  const paths = { tar: join(folder, 'shard.tar'), originals: join(folder, 'originals.tar') };
  const tar = createShardTar(paths.tar);
  const originals = images.keepOriginals ? createShardTar(paths.originals) : undefined;
  const pictures: IndexedPicture[] = [];
  const quarantined: QuarantinedEntry[] = [];
  const figures = { bytes: 0, crcErrors: 0, unzipSeconds: 0, augmentSeconds: 0 };
  let next = 0;
  report({ shard, next, of: entries.length });
  const write = async ({ entry, jpeg, picture, reason, unzipSeconds, augmentSeconds }: Outcome) => {
    const { image, name, stage } = entry;
    figures.unzipSeconds += unzipSeconds;
    figures.augmentSeconds += augmentSeconds;
    figures.bytes += jpeg?.length ?? 0;
    if (jpeg === undefined) figures.crcErrors++;
    else await originals?.add(`${image}.jpeg`, jpeg);
    if (picture === undefined) quarantined.push({ entry: name, image, reason });
    else {
      const versions: IndexedPicture['versions'] = {};
      for (const { version, bytes } of picture.pngs) {
        // WebDataset's naming: the part up to the first dot is the sample, and the rest names the file within it.
        versions[version] = await tar.add(fileName({ image, version }), bytes);
      }
      const { width, height, crop, hash } = picture;
      pictures.push({ image, stage, width, height, crop, hash, versions });
    }
    report({ shard, next: ++next, of: entries.length });
  };

  const inFlight: Promise<Outcome>[] = [];
  try {
    for await (const window of readWindows(file, entries)) {
      figures.unzipSeconds += window.seconds;
      for (const entry of window.entries) {
        signal.throwIfAborted();
        const outcome = prepareEntry(file, window, entry, images, signal);
        // Outcomes are awaited in order. A failure further back must not count as unhandled until its turn comes.
        outcome.catch(() => undefined);
        inFlight.push(outcome);
        if (inFlight.length >= IN_FLIGHT) await write(await inFlight.shift()!);
      }
    }
    for (const outcome of inFlight.splice(0)) await write(await outcome);
    await tar.finish();
    await originals?.finish();
  } catch (error) {
    await Promise.allSettled([...inFlight, tar.abandon(), originals?.abandon()]);
    throw error;
  }

  const keys = shardKeys(prefix, shard);
  const storedTar = await putFile(store, keys.tar, paths.tar);
  const index: ShardIndex = { tar: storedTar.key, pictures };
  return {
    shard,
    tar: storedTar,
    index: await putBytes(store, keys.index, `${JSON.stringify(index)}\n`),
    originals: originals ? await putFile(store, keys.originals, paths.originals) : null,
    quarantine: quarantined.length === 0 ? null : await putBytes(store, keys.quarantine, formatQuarantine(quarantined)),
    entries: entries.length,
    pictures: pictures.length,
    quarantined: quarantined.length,
    ...figures,
  };
}

async function prepareEntry(
  file: VirtualFile,
  window: Window,
  entry: PictureEntry,
  images: PrepareShardArgs['images'],
  signal: AbortSignal,
): Promise<Outcome> {
  const started = performance.now();
  let unzipped: number | undefined;
  let jpeg: Buffer | undefined;
  let picture: PreparedPicture | undefined;
  let reason = '';
  try {
    jpeg = await readEntry(file, window, entry);
    unzipped = performance.now();
    picture = await preparePicture(jpeg, images, signal);
  } catch (error) {
    if (!(error instanceof DamagedEntry || error instanceof UnusablePicture)) throw error;
    reason = error.message;
  }
  const ended = performance.now();
  unzipped ??= ended;
  return {
    ...{ entry, jpeg, picture, reason },
    ...{ unzipSeconds: (unzipped - started) / 1_000, augmentSeconds: (ended - unzipped) / 1_000 },
  };
}
