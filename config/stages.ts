/** Names, limits and recipe numbers that workflow code needs as values. Apart from the schema, which no workflow should build. */
import type { PipelineInput } from './input.ts';

/** The five stages in the order of the data. `until` stops after one of them. */
export const STAGES = ['download', 'prepare', 'label', 'train', 'regress'] as const;
export type Stage = (typeof STAGES)[number];

/** The four versions of an image: unchanged, rotated by 180°, mirrored left-right, and rotated and mirrored. */
export const VERSIONS = ['a', 'r', 'fa', 'fr'] as const;
export type Version = (typeof VERSIONS)[number];

/** Maximum number of epochs of a training, those of a fork and of `extend` included. */
export const MAX_EPOCHS = 1000;
export const MAX_BASE_RATE = 10;

/**
 * Recipe numbers, part of every stage's key. Raise one by hand when the stage's code gives other output for the same input.
 * Older results then stay beside the new ones and are not mistaken for them.
 */
export const RECIPES = { synthetic: 1, download: 1, prepare: 3, label: 1, train: 2, regress: 2, score: 1 } as const;

/** PNG settings, see activities/images/png.ts. Higher levels cost several times as much for a few percent of the size. */
export const PNG = { filter: 'sub', strategy: 'rle', level: 1 } as const;

/**
 * Returns the parameters of the prepare stage: all that affect the content of its files. `maxQuarantined` is not among them.
 * It decides whether the stage fails, and a higher one must reuse the existing shards.
 */
export function shardParameters({ images, archive }: Pick<PipelineInput, 'images' | 'archive'>) {
  const { maxQuarantined, ...shaping } = images;
  return { ...shaping, entries: archive.entries, png: PNG };
}
