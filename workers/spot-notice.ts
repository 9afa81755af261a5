/** Hears of the end of a Spot machine: two minutes ahead, as far as AWS can, and sometimes earlier that it is likely. */
import type { Logger } from 'pino';
import type { Reason } from './departure.ts';
import { InstanceMetadata } from './instance-metadata.ts';

/** What AWS advises. */
const EVERY_MS = 5_000;

export interface SpotWatch {
  stop(): void;
}

/** Whether this worker has a machine of its own whose end it should hear of. */
export function watchesSpot(env: NodeJS.ProcessEnv): boolean {
  if (env.AWS_EC2_METADATA_DISABLED?.toLowerCase() === 'true') return false;
  // Workers of `npm start` come and go with it.
  return env.RETINOPATHY_EMBEDDED !== '1' || Boolean(env.AWS_EC2_METADATA_SERVICE_ENDPOINT);
}

/**
 * Asks every five seconds; not at all where a first question shows that there is no metadata service. Never rejects.
 * @param leave called for a rebalance recommendation, and for a notice; the latter is the last call
 * @throws Error with one line for a person when AWS_EC2_METADATA_SERVICE_ENDPOINT is no address
 */
export function watchSpotNotices(
  env: NodeJS.ProcessEnv,
  log: Logger,
  leave: (reason: Reason) => void,
  everyMs = EVERY_MS,
): SpotWatch {
  const metadata = new InstanceMetadata(env.AWS_EC2_METADATA_SERVICE_ENDPOINT || undefined);
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  let silent = false;
  let recommended = false;

  const look = async (): Promise<void> => {
    try {
      const notice = await metadata.get('spot/instance-action');
      if (stopped) return;
      if (notice !== undefined) {
        leave(readNotice(notice));
        return;
      }
      if (!recommended && (await metadata.get('events/recommendations/rebalance')) !== undefined && !stopped) {
        recommended = true;
        leave({
          ...{ why: 'rebalance recommendation: Spot may soon take this machine', word: 'SPOT_NOTICE' },
          by: Number.POSITIVE_INFINITY,
        });
      }
      if (silent) log.info('Spot notices are heard again');
      silent = false;
    } catch (error) {
      if (!silent) log.warn(`Spot notices are not heard: ${(error as Error).message}`);
      silent = true;
    }
    if (!stopped) timer = setTimeout(look, everyMs);
  };

  void metadata.answers().then(there => {
    if (stopped) return;
    log.info(there ? 'Spot notices are watched' : 'no EC2 metadata service here: Spot notices are not watched');
    if (there) void look();
  });
  return {
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}

/** Reads `{"action": "terminate", "time": "2017-09-18T08:22:00Z"}`; what cannot be read leaves no time. */
export function readNotice(text: string): Reason {
  let notice: { action?: unknown; time?: unknown };
  try {
    notice = Object(JSON.parse(text));
  } catch {
    notice = {};
  }
  const action = String(notice.action ?? 'of an unknown kind');
  const time = Date.parse(String(notice.time));
  // A machine that hibernates does so at once, and its processes wake up when others have done their work.
  const by = action === 'hibernate' || Number.isNaN(time) ? 0 : time;
  return { why: `Spot notice: ${action}`, word: 'SPOT_NOTICE', by };
}
