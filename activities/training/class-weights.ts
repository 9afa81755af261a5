/** Weights of the two classes of a split, for a loss that counts the rare one as much as the common one. */
import type { Blob } from './blob-proto.ts';

/** Negative (stage ≤ k) and positive (stage > k). */
export type ClassWeights = readonly [negative: number, positive: number];

/**
 * The inverse frequencies, scaled so that the mean weight over all records is 1: the loss keeps its size, and the rate its meaning.
 * A class that never occurs has weight 1.
 * @param stages 0–4, of all training records
 */
export function classWeights(stages: readonly number[], k: number): ClassWeights {
  const positives = stages.filter(stage => stage > k).length;
  const weight = (count: number) => (count === 0 ? 1 : stages.length / (2 * count));
  return [weight(stages.length - positives), weight(positives)];
}

/**
 * The weights in an epoch from 1. They go to 1, which is every record as it comes, by the same share of the way each epoch; the mean
 * over all records stays 1.
 * @param decay what is left of their distance from 1 after an epoch
 */
export function decayed([negative, positive]: ClassWeights, decay: number, epoch: number): ClassWeights {
  const left = decay ** (epoch - 1);
  return [1 + (negative - 1) * left, 1 + (positive - 1) * left];
}

/** The matrix of Caffe's Infogain loss that weighs by class: rows are true classes, and only the diagonal counts. */
export function infogainMatrix([negative, positive]: ClassWeights): Blob {
  return { num: 1, channels: 1, height: 2, width: 2, data: [negative, 0, 0, positive] };
}
