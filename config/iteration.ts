/** How many records an iteration takes. Pure: workflow code uses it. */
import type { PipelineInput } from './input.ts';

type Batches = Pick<PipelineInput['training'], 'batch'> & Partial<Pick<PipelineInput['training'], 'accumulate'>>;

/** Databases are dealt in multiples of it. Inputs of older releases know no `accumulate`. */
export function recordsPerIteration({ batch, accumulate = 1 }: Batches): number {
  return batch * accumulate;
}
