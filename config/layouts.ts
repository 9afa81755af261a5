/** Which networks a run trains. Pure: workflow code uses it. */
import type { PipelineInput } from './input.ts';

/** The heads of each network: a split each, or all four of one. */
export function layoutsOf({ layout }: Pick<PipelineInput['training'], 'layout'>): number[][] {
  return layout === 'four-heads' ? [[0, 1, 2, 3]] : [[0], [1], [2], [3]];
}
