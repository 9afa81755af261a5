/** Support for commands that run Caffe for a while. */

import { bar } from '../../lib/format.ts';
import { findCaffe } from '../../lib/tools/caffe.ts';
import type { Caffe } from '../../lib/tools/caffe-command.ts';
import { openScratch } from '../../workers/temp-dir.ts';
import type { Console } from '../ui/console.ts';
import { Stopped, untilStopped } from './interrupt.ts';

export interface CaffeWork {
  caffe: Caffe;
  scratch: string;
  signal: AbortSignal;
  /** @param share done, from 0 to 1 */
  onProgress(share: number): void;
}

/**
 * Runs the work in a new scratch folder, with a progress bar, until it ends or the user interrupts it.
 * @returns its result, or `Stopped` after a message that nothing was written
 */
export async function withCaffe<Result>(
  screen: Console,
  name: string,
  title: string,
  work: (tools: CaffeWork) => Promise<Result>,
): Promise<Result | Stopped> {
  const scratch = await openScratch(name, process.env);
  try {
    const result = await untilStopped(async signal => {
      const caffe = await findCaffe({ env: process.env, report: line => screen.line(`  ${line}`), signal });
      const onProgress = (share: number) => screen.picture([`  ${bar(share, 20)} ${title}`]);
      return work({ caffe, scratch: scratch.scratch, signal, onProgress });
    });
    if (result instanceof Stopped) screen.line(`  Stopped (${result.message}): nothing was written`);
    return result;
  } finally {
    screen.picture([]);
    await scratch.close();
  }
}
