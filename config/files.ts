/** Files that an input names. */
import type { PipelineInput } from './input.ts';

/** Returns the path of a `file:PATH` setting; undefined for any other setting. */
export function pathOf(setting: string | null): string | undefined {
  return setting?.startsWith('file:') ? setting.slice('file:'.length) : undefined;
}

/** Returns the paths of the folder of the parts, the network and the weights, where they are `file:` settings. */
export function filesOf({ source, training }: Pick<PipelineInput, 'source' | 'training'>): string[] {
  return [source, training.network, training.weights].map(pathOf).filter(path => path !== undefined);
}
