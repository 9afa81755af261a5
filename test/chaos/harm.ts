/** The kinds of harm that come over a run, each of which passes. */
import { setTimeout as sleep } from 'node:timers/promises';
import { descendants } from '../../system/descendants.ts';
import { spotNotice } from '../support/instance-metadata.ts';
import type { Installation } from './installation.ts';

export interface Harm {
  /** For people: `kill -9 of the gpu worker`. */
  name: string;
  /** @returns false when there was nothing to harm */
  do(installation: Installation, signal: AbortSignal): Promise<boolean>;
  /** Milliseconds before the same may come again: a process that dies too often is not started again. */
  rest: number;
}

/** Long enough for everything that is under way to notice. */
const AWAY_MS = 4_000;
/** More than a segment of a small run takes, so that some end in time. */
const NOTICE_SECONDS = 20;
const REST_MS = 15_000;

export const HARMS: readonly Harm[] = [
  kill('the cpu worker', 'worker\0cpu'),
  kill('the gpu worker', 'worker\0gpu'),
  kill('the workflow worker', 'worker\0workflow'),
  kill("Temporal's server", 'server\0start-dev'),
  kill('Caffe', 'train\0--solver'),
  {
    name: 'the store away',
    rest: REST_MS,
    async do({ s3 }, signal) {
      await s3.kill();
      await sleep(AWAY_MS, undefined, { signal }).catch(() => {});
      await s3.restart();
      return true;
    },
  },
  {
    name: 'a full disk',
    rest: REST_MS,
    async do({ disk }, signal) {
      const free = await disk?.fill();
      if (!free) return false;
      await sleep(AWAY_MS, undefined, { signal }).catch(() => {});
      await free();
      return true;
    },
  },
  {
    name: 'notice that the machine will be taken',
    rest: 2 * REST_MS,
    async do({ metadata, restarts }, signal) {
      const before = restarts.length;
      metadata.data.set('spot/instance-action', spotNotice(NOTICE_SECONDS));
      // Whoever follows it goes, and is started again as a new machine would be; the notice is the old one's.
      const until = Date.now() + NOTICE_SECONDS * 1000;
      while (restarts.length === before && Date.now() < until && !signal.aborted) await sleep(100);
      metadata.data.delete('spot/instance-action');
      return true;
    },
  },
];

function kill(whom: string, command: string): Harm {
  return {
    name: `kill -9 of ${whom}`,
    rest: REST_MS,
    async do() {
      const found = (await descendants()).filter(each => each.command.includes(command));
      for (const { pid } of found) {
        try {
          process.kill(pid, 'SIGKILL');
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
        }
      }
      return found.length > 0;
    },
  };
}
