/** One worker process: connects, registers the activities or workflows of its role, and runs until it is asked to stop. */
import { hostname } from 'node:os';
import { NativeConnection, Worker, type WorkerOptions } from '@temporalio/worker';
import type { ActivityServices } from '../activities/dependencies.ts';
import { createDownloadActivities } from '../activities/download/index.ts';
import { wantsSearchAttributes } from '../activities/run/index.ts';
import { createTrainingActivities } from '../activities/training/index.ts';
import { quote } from '../lib/quote.ts';
import { DOWNLOAD_TASK_QUEUE, GPU_TASK_QUEUE, TASK_QUEUE } from '../workflows/ids.ts';
import { deploymentOf, type TemporalService, temporalService, unreachable } from './connection.ts';
import { cpuActivities } from './cpu-activities.ts';
import { gpuSlots, slotsOf } from './gpu-slots.ts';
import { exitWhenIdle, GracefulShutdown, parseIdleTime } from './graceful-shutdown.ts';
import { serveHealth } from './health.ts';
import { failurePolicy, retryNotice } from './retry-limit-interceptor.ts';
import { READY_LINE, type Role } from './roles.ts';
import { needSearchAttributes } from './search-attributes.ts';
import { openServices } from './services.ts';
import { watchesSpot, watchSpotNotices } from './spot-notice.ts';
import { createLogger, installRuntime, measureBacklog, measureDisks, measured } from './telemetry.ts';
import { workflowCode } from './workflow-bundle.ts';

const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;
/** Longer than any activity runs, because GracefulShutdown decides when to stop one. */
const NEVER = '30 days';
/** Five parts and the labels, and two more for an archive of seven parts. */
const TRANSFERS = 8;

/**
 * Runs a worker until a SIGTERM, SIGINT or SIGHUP, a Spot notice, or too long an idle time.
 * @param env TEMPORAL_*, RETINOPATHY_STORE, RETINOPATHY_SLOTS (activities at once; default: the GPUs of a gpu worker, else the
 *   cores), RETINOPATHY_GPUS, RETINOPATHY_EXIT_WHEN_IDLE (default: never), RETINOPATHY_METRICS and RETINOPATHY_HEALTH (addresses to
 *   listen at; default: none), RETINOPATHY_WORKFLOW_BUNDLE (the workflows' code; default: bundled at the start),
 *   RETINOPATHY_SEARCH_ATTRIBUTES (1: runs set search attributes), AWS_EC2_METADATA_SERVICE_ENDPOINT
 * @throws Error with a one-line message when the service or the store cannot be reached, or a setting is invalid
 */
export async function runWorker(role: Role, env: NodeJS.ProcessEnv): Promise<void> {
  const log = createLogger(role, env);
  const idleLimit = idleLimitOf(role, env);
  const deployment = deploymentOf(env);
  const metrics = installRuntime(log, env);
  const service = temporalService(env);
  const searchable = wantsSearchAttributes(env);
  const connection = await connectTo(service);
  const workers: Worker[] = [];
  const shutdown = new GracefulShutdown(log, () => {
    for (const worker of workers) if (worker.getState() === 'RUNNING') worker.shutdown();
  });
  const stops: (() => void)[] = [() => shutdown.close()];
  try {
    if (searchable) await needSearchAttributes(connection, service.namespace);
    const services = role === 'workflow' ? undefined : await openServices(role, log, env);
    try {
      // `npm start` watches its own workers.
      const asked = env.RETINOPATHY_EMBEDDED === '1' ? undefined : env.RETINOPATHY_HEALTH;
      const health = asked
        ? await serveHealth(asked, { workers, connection, ...(services && { store: services.store }) })
        : undefined;
      stops.push(() => health?.close());
      const slots = role === 'gpu' && services ? await gpuSlots(services, log, env) : slotsOf(env);
      for (const options of await workerOptions(role, env, slots, services, shutdown)) {
        workers.push(
          await Worker.create({
            connection,
            namespace: service.namespace,
            identity: `${role}/${env.RETINOPATHY_INSTANCE ?? hostname()}/${process.pid}`,
            shutdownGraceTime: NEVER,
            ...(deployment && { workerDeploymentOptions: deployment }),
            ...options,
          }),
        );
      }
      // Installed before the worker reports that it polls. A second signal of the same kind ends the process at once.
      for (const signal of SIGNALS) process.once(signal, () => shutdown.begin({ why: signal, by: 0 }));
      const stopped = Promise.all(workers.map(worker => worker.run()));
      // Only a running worker can be shut down.
      if (services && watchesSpot(env)) stops.push(watchSpotNotices(env, log, reason => shutdown.begin(reason)));
      if (metrics !== undefined)
        stops.push(services ? measureDisks(services) : measureBacklog(connection, service.namespace, log));
      if (idleLimit !== undefined) stops.push(exitWhenIdle(shutdown, idleLimit));
      process.stdout.write(`${READY_LINE}\n`);
      const { address } = service;
      log.info({ address, store: services?.store.url, health: health?.url, metrics }, 'worker started');
      await Promise.race([stopped, shutdown.overdue]);
      log.info('worker ended');
    } finally {
      await services?.close();
    }
  } finally {
    for (const stop of stops) stop();
    // An activity that does not end keeps its worker open, and a worker its connection. The caller must then end the process.
    if (workers.every(worker => ['STOPPED', 'FAILED'].includes(worker.getState()))) await connection.close();
  }
}

/** Connects to the service. @throws Error with a one-line message when it cannot be reached or has no such namespace */
async function connectTo(service: TemporalService): Promise<NativeConnection> {
  let connection: NativeConnection | undefined;
  try {
    connection = await NativeConnection.connect(service.connectionOptions);
    await connection.workflowService.describeNamespace({ namespace: service.namespace });
    return connection;
  } catch (error) {
    await connection?.close();
    throw unreachable(service, error as Error);
  }
}

/** Returns the options of one worker for each queue that the role polls. */
async function workerOptions(
  role: Role,
  env: NodeJS.ProcessEnv,
  slots: number,
  services: ActivityServices | undefined,
  shutdown: GracefulShutdown,
): Promise<Omit<WorkerOptions, 'connection'>[]> {
  // Each cached workflow costs memory outside the V8 heap.
  if (!services) return [{ taskQueue: TASK_QUEUE, ...(await workflowCode(env)), maxCachedWorkflows: 20 }];
  if (role === 'gpu') return [activityWorker(GPU_TASK_QUEUE, createTrainingActivities(services), slots, shutdown)];
  return [
    activityWorker(TASK_QUEUE, cpuActivities(services), slots, shutdown),
    activityWorker(DOWNLOAD_TASK_QUEUE, createDownloadActivities(services), TRANSFERS, shutdown),
  ];
}

function activityWorker(
  taskQueue: string,
  activities: object,
  slots: number,
  shutdown: GracefulShutdown,
): Omit<WorkerOptions, 'connection'> {
  return {
    taskQueue,
    activities,
    maxConcurrentActivityTaskExecutions: slots,
    // A kill loses the details since the last heartbeat that was sent.
    maxHeartbeatThrottleInterval: '5s',
    interceptors: {
      activity: [
        context => ({ inbound: measured(context) }),
        context => ({ inbound: shutdown.interceptor(context) }),
        context => ({ inbound: retryNotice(context) }),
        context => ({ inbound: failurePolicy(context) }),
      ],
    },
  };
}

/** Returns the idle limit in ms; undefined for a worker that stays. @throws Error with a one-line message */
function idleLimitOf(role: Role, env: NodeJS.ProcessEnv): number | undefined {
  const text = env.RETINOPATHY_EXIT_WHEN_IDLE;
  // Workers of `npm start` end with it.
  if (!text || env.RETINOPATHY_EMBEDDED === '1') return undefined;
  if (role === 'workflow')
    throw new Error(
      `Expected no --exit-when-idle (RETINOPATHY_EXIT_WHEN_IDLE) for a worker of workflows, got \`${quote(text)}\`: it must stay while a run lasts`,
    );
  return parseIdleTime(text);
}
