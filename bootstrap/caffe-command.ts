/** What is called Caffe: how its tools are run, and whether they answer. */

import type { Caffe } from '../activities/services.ts';
import { runChild } from '../system/child-process.ts';

export type CaffeTool = Parameters<Caffe['command']>[0];

/** The words before a tool's own arguments, e.g. `['/usr/bin/caffe']`. */
export type CaffeCommand = (tool: CaffeTool) => string[];

/**
 * What every Caffe process needs in its environment.
 * One BLAS thread: two trainings on two cores beat two threads by far, and sums in another order give other bits.
 * OpenBLAS picks its kernel by the processor; where machines of several kinds must agree to the bit, `OPENBLAS_CORETYPE`
 * (e.g. `Haswell`) in the worker's environment pins it, at the price of speed on newer processors.
 */
export const CAFFE_ENV = { GLOG_logtostderr: '1', OPENBLAS_NUM_THREADS: '1', OMP_NUM_THREADS: '1' } as const;

/**
 * Runs `caffe --version` once.
 * @param origin where it was found, for the report: `PATH`, `Debian 11`
 * @throws when it does not answer with a version: the reason in one line
 */
export async function verifyCaffe(command: CaffeCommand, origin: string): Promise<Caffe> {
  const line = [...command('caffe'), '--version'];
  const { code, signal, tail } = await runChild(line, {
    env: { ...process.env, ...CAFFE_ENV },
    signal: AbortSignal.timeout(60_000),
  });
  const version = tail.find(text => /^caffe version \S/.test(text));
  if (code !== 0 || version === undefined) {
    const got = tail.at(-1) ?? 'no output';
    throw new Error(
      `Expected \`${line.join(' ')}\` to answer "caffe version …", got ${signal ?? `exit ${code}`}: ${got}`,
    );
  }
  return {
    command: (tool, args) => [...command(tool), ...args],
    version: `${version} (${origin})`,
    env: { ...CAFFE_ENV },
  };
}
