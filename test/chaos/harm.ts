/** The kinds of harm that come over a run in a test: the kills, and what only an installation of its own can have. */
import { setTimeout as sleep } from 'node:timers/promises';
import { KILLS } from '../../cli/chaos/kills.ts';
import type { Harm } from '../../cli/chaos/strike.ts';
import { spotNotice } from '../support/instance-metadata.ts';
import type { Installation } from './installation.ts';

/** Long enough for everything that is under way to notice. */
const AWAY_MS = 4_000;
/** More than a segment of a small run takes, so that some end in time. */
const NOTICE_SECONDS = 40;
const REST_MS = 15_000;
const OVER = { pids: [] };

/** What befalls the installation, not a process. */
export const MISFORTUNES: readonly Harm<Installation>[] = [
  {
    name: 'the store away',
    rest: REST_MS,
    async do({ s3 }, signal) {
      await s3.kill();
      await sleep(AWAY_MS, undefined, { signal }).catch(() => {});
      await s3.restart();
      return OVER;
    },
  },
  {
    name: 'a full disk',
    rest: REST_MS,
    async do({ disk }, signal) {
      const free = await disk?.fill();
      if (!free) return undefined;
      await sleep(AWAY_MS, undefined, { signal }).catch(() => {});
      await free();
      return OVER;
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
      return OVER;
    },
  },
];

/** Kills come at any stage: what has nothing to lose must survive, too. */
export const HARMS: readonly Harm<Installation>[] = [...KILLS.map(({ stages: _, ...kill }) => kill), ...MISFORTUNES];
