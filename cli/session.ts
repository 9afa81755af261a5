/** A command's time on this machine: it holds its out folder, can be stopped at any moment, and leaves nothing running behind. */
import { watchParents } from '../system/parent-watch.ts';
import type { Console } from './console.ts';
import type { Embedded } from './embedded.ts';
import { type OutFolder, openOutFolder } from './out-folder.ts';
import { type StartUpOptions, startUp } from './start-up.ts';
import { Stopped, stopSignal } from './stop-signal.ts';

export interface SessionOptions {
  screen: Console;
  /** The out folder. */
  folder: string;
  /** Whoever stops it is also told how to throw away what is there. */
  discardable?: boolean;
}

export interface Session {
  out: OutFolder;
  /** Aborted when the command ends, in whatever way. */
  signal: AbortSignal;
  /** Like `work`, but throws `Stopped` as soon as the command is to stop. */
  race<Result>(work: Promise<Result>): Promise<Result>;
  /** Starts Temporal's server and all workers; they end with the session. */
  start(options: Omit<StartUpOptions, 'screen' | 'out'>): Promise<Embedded>;
  /** Goes on beside the rest, is told by `signal` when to end, and waited for then; its failure counts for whoever awaits it. */
  beside<Result>(work: Promise<Result>): Promise<Result>;
}

/**
 * @param command gives the exit status
 * @returns that, or the one of what stopped it: a signal, or the death of whoever started it
 * @throws UserError when the folder cannot be used or is held by another, and what `command` throws
 */
export async function session(
  { screen, folder, discardable = false }: SessionOptions,
  command: (session: Session) => Promise<number>,
): Promise<number> {
  const out = await openOutFolder(folder);
  const stop = stopSignal();
  const orphaned = await watchParents(reason => stop.trigger(new Stopped(reason, 129)));
  const ending = new AbortController();
  const companions: Promise<unknown>[] = [];
  let embedded: Embedded | undefined;
  try {
    return await command({
      ...{ out, signal: ending.signal },
      race: work => stop.race(work),
      async start(options) {
        embedded = await stop.race(startUp({ screen, out, ...options }));
        await stop.race(embedded.startWorkers(['workflow', 'cpu', 'gpu']));
        return embedded;
      },
      beside(work) {
        companions.push(work.catch(() => {}));
        return work;
      },
    });
  } catch (error) {
    if (!(error instanceof Stopped)) throw error;
    screen.settle();
    screen.line(`\n  Paused, not cancelled (${error.message}).`);
    screen.line(`  Go on:   the same command again: finished work is not done twice`);
    if (discardable) screen.line(`  Discard: rm -r ${out.path}`);
    return error.exitCode;
  } finally {
    orphaned.stop();
    ending.abort();
    await Promise.all(companions);
    screen.settle();
    await embedded?.stop();
    out.release();
    stop.release();
  }
}
