/** What the bits of a snapshot hang on beside the input: recorded with it, so that two that differ can be explained. */
import type { Caffe } from '../services.ts';

const ON_CARD = ', GPU';

/** @param card Caffe's arguments that choose a graphics card; empty on a CPU */
export function describeArithmetic({ version, env }: Caffe, card: readonly string[]): string {
  if (card.length > 0) return `${version}${ON_CARD}`;
  const [kernels = 'by processor', threads = 'by processor'] = [env.OPENBLAS_CORETYPE, env.OPENBLAS_NUM_THREADS];
  return `${version}, OpenBLAS kernels ${kernels}, threads ${threads}`;
}

/** Whether what `describeArithmetic` says speaks of a graphics card. */
export function wasOnCard(arithmetic: unknown): boolean {
  return String(arithmetic).endsWith(ON_CARD);
}
