/** Ids and names that people type and read. */

/** Queue of the workflows and of everything that needs cores. */
export const TASK_QUEUE = 'retinopathy';
/** Queue of the transfers: they wait for the network, and would starve, or starve others, among slots that are counted in cores. */
export const DOWNLOAD_TASK_QUEUE = 'retinopathy-download';
/** Queue of training and scoring: one slot a graphics card, or a core where there is none. */
export const GPU_TASK_QUEUE = 'retinopathy-gpu';

/** Names of the two tables that may come with an archive, among the outputs of its download. */
export const LABELS = 'labels.csv';
export const SAMPLE = 'sampleSubmission.csv';

/** Name of the training of some heads: `train-0-vs-1234`, `train-01-vs-234`, `train-012-vs-34`, `train-0123-vs-4`, `train-four-heads`. */
export function trainingName(heads: readonly number[]): string {
  const k = heads[0];
  if (heads.length !== 1 || k === undefined) return 'train-four-heads';
  return `train-${'01234'.slice(0, k + 1)}-vs-${'01234'.slice(k + 1)}`;
}

/** Name of a split for people: `0|1234`. */
export function splitLabel(k: number): string {
  return `${'01234'.slice(0, k + 1)}|${'01234'.slice(k + 1)}`;
}
