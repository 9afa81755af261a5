/** Makes a shard and stores it; finds it finished when an earlier attempt did. */
import { randomUUID } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { getArtifact, getJson, putBytes, putFile } from '../../storage/files.ts';
import type { ActivityServices } from '../services.ts';
import { parseDirectory } from './directory-file.ts';
import { formatQuarantine } from './quarantine.ts';
import { makeShard } from './shard.ts';
import { findFinishedShard, type ShardKeys, type ShardSummary, shardKeys } from './shard-files.ts';
import type { PreparedShard, PrepareShardArgs, ShardIndex, ShardProgress } from './types.ts';
import { VirtualFile } from './virtual-file.ts';

/**
 * Prepares shard `args.shard`: tar, originals, quarantine list, summary, and last of all the index.
 * @throws DamagedArchive; the signal's reason when it is aborted; what the store throws
 */
export async function prepareShard(
  { store, scratch }: Pick<ActivityServices, 'store' | 'scratch'>,
  args: PrepareShardArgs,
  report: (progress: ShardProgress) => void,
  signal: AbortSignal,
): Promise<PreparedShard> {
  const { shard, images } = args;
  const keys = shardKeys(args.prefix, shard);
  const finished = await findFinishedShard(store, keys);
  if (finished !== undefined) return finished;

  const directory = parseDirectory((await getArtifact(store, args.directory)).toString());
  const entries = directory.pictures.slice(shard * images.shardSize, (shard + 1) * images.shardSize);
  const folder = join(scratch, `shard-${shard}-${randomUUID()}`);
  await mkdir(folder);
  try {
    report({ shard, next: 0, of: entries.length });
    const made = await makeShard({
      file: new VirtualFile(store, args.parts),
      entries,
      options: images,
      folder,
      keepOriginals: images.keepOriginals,
      signal,
      onProgress: next => report({ shard, next, of: entries.length }),
    });
    const { pictures, quarantined, bytes, crcErrors, unzipSeconds, augmentSeconds } = made;
    const summary: ShardSummary = {
      shard,
      tar: await putFile(store, keys.tar, made.tar),
      originals: made.originals === null ? null : await putFile(store, keys.originals, made.originals),
      quarantine:
        quarantined.length === 0 ? null : await putBytes(store, keys.quarantine, formatQuarantine(quarantined)),
      entries: entries.length,
      bytes,
      crcErrors,
      pictures: pictures.length,
      quarantined: quarantined.length,
      unzipSeconds,
      augmentSeconds,
    };
    const told = await storeSummary(store, keys, summary);
    const index: ShardIndex = { tar: keys.tar, pictures };
    return {
      ...told,
      index: await putBytes(store, keys.index, `${JSON.stringify(index)}\n`),
      reused: false,
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The first attempt to store its figures is the one that counts: all that come after tell the same. */
async function storeSummary(
  store: ActivityServices['store'],
  keys: ShardKeys,
  summary: ShardSummary,
): Promise<ShardSummary> {
  const { created } = await store.put(keys.summary, Buffer.from(`${JSON.stringify(summary)}\n`));
  return created ? summary : ((await getJson<ShardSummary>(store, keys.summary)) ?? summary);
}
