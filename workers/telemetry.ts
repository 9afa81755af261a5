/** Telemetry of a worker process: Prometheus metrics of the SDK and our own, and the SDK's logs merged into ours. */
import { statfs } from 'node:fs/promises';
import { asyncLocalStorage, type Context } from '@temporalio/activity';
import {
  type ActivityInboundCallsInterceptor,
  DefaultLogger,
  type LogEntry,
  type NativeConnection,
  Runtime,
  type Logger as TemporalLogger,
} from '@temporalio/worker';
import pino, { type DestinationStream, type Logger } from 'pino';
import type { ActivityServices } from '../activities/dependencies.ts';
import {
  count,
  countRunning,
  measureQueue,
  measureRoom,
  noteWhose,
  progressed,
  whoseActivity,
  whoseWorkflow,
} from '../activities/metrics.ts';
import { reasonOf } from '../lib/quote.ts';
import { DOWNLOAD_TASK_QUEUE, GPU_TASK_QUEUE, TASK_QUEUE } from '../workflows/ids.ts';
import { formatAddress, parseListenAddress } from './health.ts';

const ROOM_EVERY_MS = 30_000;

/**
 * Installs the SDK's runtime. May be called once in a process.
 * @param env RETINOPATHY_METRICS: address that serves `GET /metrics`, `9464` or `0.0.0.0:9464`; default: none
 * @returns that address
 * @throws Error with a one-line message when the address is not available
 */
export function installRuntime(log: Logger, env: NodeJS.ProcessEnv): string | undefined {
  // The workers of `npm start` would all listen at the same address.
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
      `Expected RETINOPATHY_METRICS to be an address to listen at, got: ${reasonOf(error)} (${bindAddress})`,
    );
  }
  return bindAddress;
}

/** Counts retries, running activities and progress around an activity. */
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

/** Measures the free space of the scratch folder and the store twice a minute. @returns a function that stops it */
export function measureDisks({ store, scratch, log }: ActivityServices): () => void {
  const meter = Runtime.instance().metricMeter;
  const look = async () => {
    try {
      const { bavail, bsize } = await statfs(scratch);
      measureRoom(meter, 'scratch', bavail * bsize);
      const room = await store.freeSpace();
      if (room !== undefined) measureRoom(meter, 'store', room);
    } catch (error) {
      log.warn({ error: String(error) }, 'The room on the disks cannot be measured');
    }
  };
  void look();
  const timer = setInterval(look, ROOM_EVERY_MS);
  return () => clearInterval(timer);
}

const EVERY_MS = 30_000;
/** A worker that has just started does not poll yet, and would report a queue without pollers. */
const FIRST_MS = 5_000;
/** Maximum age of a poll that counts. Longer than one poll lasts, and shorter than the server remembers its pollers. */
const POLLED_WITHIN_MS = 90_000;
/** `TASK_QUEUE_TYPE_WORKFLOW`, `TASK_QUEUE_TYPE_ACTIVITY` */
const KINDS = { workflow: 1, activity: 2 } as const;
const QUEUES = [
  [TASK_QUEUE, 'workflow'],
  [TASK_QUEUE, 'activity'],
  [DOWNLOAD_TASK_QUEUE, 'activity'],
  [GPU_TASK_QUEUE, 'activity'],
] as const;

/**
 * Measures the backlog and the pollers of every queue. Work without a worker is visible only from outside the workers that should
 * do it. A workflow worker measures it, as it stays when the others may be gone. Never rejects.
 * @returns a function that stops it
 */
export function measureBacklog(
  { workflowService }: Pick<NativeConnection, 'workflowService'>,
  namespace: string,
  log: Logger,
): () => void {
  const meter = Runtime.instance().metricMeter;
  let silent = false;
  const look = async () => {
    try {
      for (const [name, kind] of QUEUES) {
        const { stats, pollers } = await workflowService.describeTaskQueue({
          ...{ namespace, taskQueue: { name }, taskQueueType: KINDS[kind], reportStats: true },
        });
        const since = Date.now() - POLLED_WITHIN_MS;
        const polling = (pollers ?? []).filter(({ lastAccessTime }) => Number(lastAccessTime?.seconds) * 1000 > since);
        measureQueue(meter, { queue: name, kind }, Number(stats?.approximateBacklogCount ?? 0), polling.length);
      }
      silent = false;
    } catch (error) {
      if (!silent) log.warn({ error: String(error) }, 'The queues cannot be measured');
      silent = true;
    }
  };
  let timer = setTimeout(function again() {
    void look();
    timer = setTimeout(again, EVERY_MS);
  }, FIRST_MS);
  return () => clearTimeout(timer);
}

/** Limit of the log lines that wait to be written. */
const UNWRITTEN_BYTES = 16 << 20;

/** Creates the logger of a worker. A line that an activity logs carries `run`, `split`, `activity` and `attempt`. */
export function createLogger(
  role: string,
  env: NodeJS.ProcessEnv,
  destination: DestinationStream = standardError(),
): Logger {
  return pino(
    { base: { role, pid: process.pid }, level: env.RETINOPATHY_LOG_LEVEL ?? 'info', mixin: activityFields },
    destination,
  );
}

/** Opens standard error. Lines that cannot be written, because the reader has left or the disk is full, are dropped. */
function standardError(): DestinationStream {
  const stream = pino.destination({ fd: 2, sync: false, maxLength: UNWRITTEN_BYTES });
  // At the end pino would otherwise try to write the rest until that works.
  stream.on('error', () => Object.assign(stream, { flushSync() {} }));
  return stream;
}

/** Passes the SDK's log entries, those of workflow code included, to pino. */
export function temporalLogger(log: Logger): TemporalLogger {
  return new DefaultLogger('INFO', ({ level, message, meta }: LogEntry) => {
    const method = level === 'TRACE' ? 'trace' : (level.toLowerCase() as 'debug' | 'info' | 'warn' | 'error');
    log[method]({ ...workflowFields(meta), ...meta }, message);
  });
}

function activityFields(): object {
  const context = asyncLocalStorage.getStore();
  if (!context) return {};
  return { ...whoseActivity(context), activity: context.info.activityType, attempt: context.info.attempt };
}

function workflowFields(meta: LogEntry['meta']): object {
  const { workflowType, workflowId } = meta ?? {};
  if (typeof workflowId !== 'string' || asyncLocalStorage.getStore()) return {};
  return whoseWorkflow(String(workflowType), workflowId);
}
