/** The activities of the second stage: unzip, check, augment. */
import sharp from 'sharp';
import { finalFailure } from '../failures.ts';
import { withHeartbeat } from '../heartbeat.ts';
import { count } from '../measures.ts';
import type { ActivityServices } from '../services.ts';
import { closeShards } from './close-shards.ts';
import { drawAugmentation } from './draw-augmentation.ts';
import { openArchive } from './open-archive.ts';
import { prepareShard } from './prepare-shard.ts';
import type { ImageActivities, PreparedShard, ShardProgress } from './types.ts';
import { DamagedArchive } from './virtual-file.ts';

export function createImageActivities(services: ActivityServices): ImageActivities {
  // A worker runs a shard for each of its cores: threads of libvips would only compete, and no picture comes twice.
  sharp.concurrency(1);
  sharp.cache(false);
  return {
    openArchive: args => withHeartbeat(() => finalWhenDamaged(() => openArchive(services.store, args))),
    unzipAndAugment: args =>
      withHeartbeat<ShardProgress, PreparedShard>(async (report, signal) => {
        const shard = await finalWhenDamaged(() => prepareShard(services, args, report, signal));
        count('preparedPictures', shard.reused ? 0 : shard.pictures);
        count('quarantinedPictures', shard.reused ? 0 : shard.quarantined);
        return shard;
      }),
    closeShards: args => withHeartbeat(() => closeShards(services.store, args)),
    drawAugmentation: args => withHeartbeat(() => drawAugmentation(services.store, args)),
  };
}

/** A part that is missing or damaged in the store stays so: no retry can cure it. */
async function finalWhenDamaged<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof DamagedArchive ? finalFailure('BadArchive', error.message, error) : error;
  }
}
