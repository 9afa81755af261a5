/** What shapes the prepared pictures, and with it the key of their shards. Pure: workflow code uses it. */
import type { PipelineInput } from './input.ts';

/** How pictures are written, see activities/images/png.ts. Higher levels cost several times as much for a few per cent of the size. */
export const PNG = { filter: 'sub', strategy: 'rle', level: 1 } as const;

/**
 * The parameters of the prepare stage: all that changes what its files hold. The share that may be set aside is none of them; it
 * decides whether the stage fails, and raising it must find the shards that are there.
 */
export function shardParameters({ images, archive }: Pick<PipelineInput, 'images' | 'archive'>) {
  const { maxQuarantined, ...shaping } = images;
  return { ...shaping, entries: archive.entries, png: PNG };
}
