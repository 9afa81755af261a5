/** What the bits of a snapshot hang on beside the input: recorded with it, so that two that differ can be explained. */
import type { Caffe } from '../services.ts';

/** @param card Caffe's arguments that choose a graphics card; empty on a CPU */
export function describeArithmetic({ version, env }: Caffe, card: readonly string[]): string {
  if (card.length > 0) return `${version}, GPU`;
  const [kernels = 'by processor', threads = 'by processor'] = [env.OPENBLAS_CORETYPE, env.OPENBLAS_NUM_THREADS];
  return `${version}, OpenBLAS kernels ${kernels}, threads ${threads}`;
}
