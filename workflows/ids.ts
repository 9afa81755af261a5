/** IDs and names that users type and read. */

/** Queue of the workflows and of all CPU-bound activities. */
export const TASK_QUEUE = 'retinopathy';
/** Queue of the transfers. They wait for the network, and on a queue with one slot a core they would starve or starve others. */
export const DOWNLOAD_TASK_QUEUE = 'retinopathy-download';
/** Queue of training and scoring: one slot a GPU, or a core where there is none. */
export const GPU_TASK_QUEUE = 'retinopathy-gpu';

/** Output names of the two tables that may come with an archive. */
export const LABELS = 'labels.csv';
export const SAMPLE = 'sampleSubmission.csv';

/**
 * Returns the name of the training of the given heads:
 * `train-0-vs-1234`, `train-01-vs-234`, `train-012-vs-34`, `train-0123-vs-4`, `train-four-heads`.
 */
export function trainingName(heads: readonly number[]): string {
  const k = heads[0];
  if (heads.length !== 1 || k === undefined) return 'train-four-heads';
  return `train-${'01234'.slice(0, k + 1)}-vs-${'01234'.slice(k + 1)}`;
}

/** Returns the display name of a split: `0|1234`. */
export function splitLabel(k: number): string {
  return `${'01234'.slice(0, k + 1)}|${'01234'.slice(k + 1)}`;
}
