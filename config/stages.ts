/** The words of the pipeline that workflow code needs as values; apart from the schema, so that no workflow bundles zod. */

/** The five stages in the order of the data. `until` stops after one of them. */
export const STAGES = ['download', 'prepare', 'label', 'train', 'regress'] as const;
export type Stage = (typeof STAGES)[number];

/** The four versions of a picture: as is, rotated by 180°, mirrored left-right, and the rotated one mirrored. */
export const VERSIONS = ['a', 'r', 'fa', 'fr'] as const;
export type Version = (typeof VERSIONS)[number];
