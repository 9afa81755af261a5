/** Activities of the second stage: unzip, check, augment. */
import sharp from 'sharp';
import type { ActivityServices } from '../dependencies.ts';
import { finalWhere } from '../failures.ts';
import { withHeartbeats } from '../heartbeat.ts';
import { count } from '../metrics.ts';
import { DamagedArchive } from '../zip/virtual-file.ts';
import { drawAugmentation } from './contact-sheet.ts';
import { closeShards } from './merge-quarantine.ts';
import { openArchive } from './open-archive.ts';
import { prepareShard } from './prepare-shard.ts';
import type { ImageActivities } from './types.ts';

export function createImageActivities(services: ActivityServices): ImageActivities {
  // Workers run one shard per core, so threads of libvips would only compete. The cache is off, as no image comes twice.
  sharp.concurrency(1);
  sharp.cache(false);
  // A part that is missing or damaged in the store stays so, which makes the error final.
  return withHeartbeats<ImageActivities>({
    openArchive: (args, _report, signal) =>
      finalWhere(DamagedArchive, 'BadArchive', () => openArchive(services.store, args, signal)),
    unzipAndAugment: async (args, report, signal) => {
      const shard = await finalWhere(DamagedArchive, 'BadArchive', () => prepareShard(services, args, report, signal));
      count('preparedPictures', shard.reused ? 0 : shard.pictures);
      count('quarantinedPictures', shard.reused ? 0 : shard.quarantined);
      return shard;
    },
    closeShards: args => closeShards(services.store, args),
    drawAugmentation: args => drawAugmentation(services.store, args),
  });
}
