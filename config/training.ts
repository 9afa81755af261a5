/** Values derived from the training settings. Pure: workflow code uses it. */
import type { PipelineInput } from './input.ts';

type Training = PipelineInput['training'];

/** Returns the records of an iteration. The size of a training database is a multiple of it. */
export function recordsPerIteration({ batch, accumulate }: Pick<Training, 'batch' | 'accumulate'>): number {
  return batch * accumulate;
}

/** Returns the heads of each network: one split each, or all four in one. */
export function layoutsOf({ layout }: Pick<Training, 'layout'>): number[][] {
  return layout === 'four-heads' ? [[0, 1, 2, 3]] : [[0], [1], [2], [3]];
}
