/** What a worker process tells of itself: the SDK's measures and our own for Prometheus, the SDK's logs among ours. */
import { statfs } from 'node:fs/promises';
import type { Context } from '@temporalio/activity';
import { type ActivityInboundCallsInterceptor, Runtime } from '@temporalio/worker';
import type { Logger } from 'pino';
import { count, countRunning, measureRoom, progressed } from '../activities/measures.ts';
import type { ActivityServices } from '../activities/services.ts';
import { noteWhose } from '../activities/whose.ts';
import { formatAddress, parseListenAddress } from './listen-address.ts';
import { temporalLogger } from './logger.ts';

const ROOM_EVERY_MS = 30_000;

/**
 * Installs the SDK's runtime: once a process.
 * @param env RETINOPATHY_METRICS: where `GET /metrics` is answered, `9464` or `0.0.0.0:9464`; default: nowhere
 * @returns that address
 * @throws Error with one line for a person when nothing can listen there
 */
export function installRuntime(log: Logger, env: NodeJS.ProcessEnv): string | undefined {
  // The workers of `npm start` would all want the same one.
  const asked = env.RETINOPATHY_EMBEDDED === '1' ? undefined : env.RETINOPATHY_METRICS;
  const bindAddress = asked ? formatAddress(parseListenAddress('RETINOPATHY_METRICS', asked)) : undefined;
  try {
    Runtime.install({
      logger: temporalLogger(log),
      shutdownSignals: [],
      telemetryOptions: {
        logging: { filter: { core: 'WARN', other: 'ERROR' }, forward: {} },
        ...(bindAddress !== undefined && { metrics: { prometheus: { bindAddress } } }),
      },
    });
  } catch (error) {
    throw new Error(
      `Expected RETINOPATHY_METRICS to be an address to listen at, got: ${(error as Error).message} (${bindAddress})`,
    );
  }
  return bindAddress;
}

/** Measures an activity from outside, whatever it does. */
export function measured(context: Context): ActivityInboundCallsInterceptor {
  return {
    execute: async (input, next) => {
      noteWhose(context, input.args);
      const again = context.info.attempt > 1;
      count('retries', again ? 1 : 0);
      if (!again) progressed();
      countRunning(1);
      try {
        const result = await next(input);
        progressed();
        return result;
      } finally {
        countRunning(-1);
      }
    },
  };
}

/** Measures twice a minute how much can still be written. @returns how to stop */
export function measureDisks({ store, scratch, log }: ActivityServices): () => void {
  const meter = Runtime.instance().metricMeter;
  const look = async () => {
    try {
      const { bavail, bsize } = await statfs(scratch);
      measureRoom(meter, 'scratch', bavail * bsize);
      const room = await store.room();
      if (room !== undefined) measureRoom(meter, 'store', room);
    } catch (error) {
      log.warn({ error: String(error) }, 'The room on the disks cannot be measured');
    }
  };
  void look();
  const timer = setInterval(look, ROOM_EVERY_MS);
  return () => clearInterval(timer);
}
