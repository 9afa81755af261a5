/** Work that Ctrl-C, SIGTERM and the end of the parent stop in order: what it has started and written is gone when this returns. */
import { Stopped, stopSignal } from '../../../cli/local/interrupt.ts';
import { watchParents } from '../../../lib/process/parent-exit.ts';

/** @throws what the work throws, or Stopped */
export async function stoppable(start: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const stop = stopSignal();
  const orphaned = await watchParents(reason => stop.trigger(new Stopped(reason, 129)));
  const ending = new AbortController();
  const work = start(ending.signal);
  try {
    await stop.race(work);
  } finally {
    ending.abort();
    await work.catch(() => {});
    orphaned.stop();
    stop.release();
  }
}
