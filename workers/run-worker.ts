/** One worker process: connects, registers what its role does, runs until it is told to stop. */
import { hostname } from 'node:os';
import { NativeConnection, Worker, type WorkerOptions } from '@temporalio/worker';
import { wantsSearchAttributes } from '../activities/run/searchable.ts';
import type { ActivityServices } from '../activities/services.ts';
import { DOWNLOAD_TASK_QUEUE, GPU_TASK_QUEUE, TASK_QUEUE } from '../workflows/names.ts';
import { measureBacklog } from './backlog.ts';
import { deploymentOf, type TemporalService, temporalService, unreachable } from './connection.ts';
import { cpuActivities, transferActivities } from './cpu.ts';
import { Departure } from './departure.ts';
import { FailurePolicy } from './failure-policy.ts';
import { gpuActivities, gpuSlots } from './gpu.ts';
import { serveHealth } from './health.ts';
import { leaveWhenIdle, parseIdleTime } from './idle.ts';
import { createLogger } from './logger.ts';
import { READY_LINE, type Role } from './roles.ts';
import { needSearchAttributes } from './search-attributes.ts';
import { openServices } from './services.ts';
import { slotsOf } from './slots.ts';
import { watchesSpot, watchSpotNotices } from './spot-notice.ts';
import { installRuntime, measureDisks, measured } from './telemetry.ts';
import { workflowCode } from './workflow-code.ts';

const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;
/** Longer than any activity runs: Departure says when one must be given back. */
const NEVER = '30 days';
/** Five parts and the labels, and some more where an archive has seven. */
const TRANSFERS = 8;

/**
 * Runs a worker until SIGTERM or SIGINT, or until its machine is about to be taken away, or nothing is to do for long.
 * @param env TEMPORAL_*, RETINOPATHY_STORE, RETINOPATHY_SLOTS (activities at once; default: the graphics cards of a gpu worker, else
 *   the cores), RETINOPATHY_GPUS, RETINOPATHY_EXIT_WHEN_IDLE (never), RETINOPATHY_METRICS and RETINOPATHY_HEALTH (where it listens for
 *   those who watch it; nowhere), RETINOPATHY_WORKFLOW_BUNDLE (the workflows' code; bundled at the start),
 *   RETINOPATHY_SEARCH_ATTRIBUTES (1: runs set some), AWS_EC2_METADATA_SERVICE_ENDPOINT
 * @throws Error with one line for a person when the service or the store cannot be reached, or a setting is wrong
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
  const departure = new Departure(log, () => {
    for (const worker of workers) if (worker.getState() === 'RUNNING') worker.shutdown();
  });
  const stops: (() => void)[] = [() => departure.close()];
  try {
    if (searchable) await needSearchAttributes(connection, service.namespace);
    const services = role === 'workflow' ? undefined : await openServices(role, log, env);
    try {
      // Those of `npm start` are watched by it.
      const asked = env.RETINOPATHY_EMBEDDED === '1' ? undefined : env.RETINOPATHY_HEALTH;
      const health = asked
        ? await serveHealth(asked, { workers, connection, ...(services && { store: services.store }) })
        : undefined;
      stops.push(() => health?.close());
      const slots = role === 'gpu' && services ? await gpuSlots(services, log, env) : slotsOf(env);
      for (const options of await workerOptions(role, env, slots, services, departure)) {
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
      const stopped = Promise.all(workers.map(worker => worker.run()));
      // Only a worker that runs can be told to stop.
      if (services && watchesSpot(env)) {
        const watch = watchSpotNotices(env, log, reason => departure.leave(reason));
        stops.push(() => watch.stop());
      }
      // A second signal of a kind ends the process at once.
      for (const signal of SIGNALS)
        process.once(signal, () => departure.leave({ why: signal, word: 'WORKER_SHUTDOWN', by: 0 }));
      if (metrics !== undefined)
        stops.push(services ? measureDisks(services) : measureBacklog(connection, service.namespace, log));
      if (idleLimit !== undefined) stops.push(leaveWhenIdle(departure, idleLimit));
      process.stdout.write(`${READY_LINE}\n`);
      const { address } = service;
      log.info({ address, store: services?.store.url, health: health?.url, metrics }, 'worker started');
      await Promise.race([stopped, departure.overdue]);
      log.info('worker ended');
    } finally {
      await services?.close();
    }
  } finally {
    for (const stop of stops) stop();
    // An activity that does not end keeps its worker, and a worker its connection: the process must be ended then.
    if (workers.every(worker => ['STOPPED', 'FAILED'].includes(worker.getState()))) await connection.close();
  }
}

/** @throws Error with one line for a person when the service cannot be reached, or knows no such namespace */
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

/** A worker for each queue that the role polls. */
async function workerOptions(
  role: Role,
  env: NodeJS.ProcessEnv,
  slots: number,
  services: ActivityServices | undefined,
  departure: Departure,
): Promise<Omit<WorkerOptions, 'connection'>[]> {
  // Each cached workflow costs memory outside the V8 heap.
  if (!services) return [{ taskQueue: TASK_QUEUE, ...(await workflowCode(env)), maxCachedWorkflows: 20 }];
  if (role === 'gpu') return [activityWorker(GPU_TASK_QUEUE, gpuActivities(services), slots, departure)];
  return [
    activityWorker(TASK_QUEUE, cpuActivities(services), slots, departure),
    activityWorker(DOWNLOAD_TASK_QUEUE, transferActivities(services), TRANSFERS, departure),
  ];
}

function activityWorker(
  taskQueue: string,
  activities: object,
  slots: number,
  departure: Departure,
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
        context => ({ inbound: departure.running.interceptor(context) }),
        context => ({ inbound: new FailurePolicy(context) }),
      ],
    },
  };
}

/** @returns ms; undefined where the worker stays. @throws Error with one line for a person */
function idleLimitOf(role: Role, env: NodeJS.ProcessEnv): number | undefined {
  const text = env.RETINOPATHY_EXIT_WHEN_IDLE;
  // Those of `npm start` end with it.
  if (!text || env.RETINOPATHY_EMBEDDED === '1') return undefined;
  if (role === 'workflow')
    throw new Error(
      `Expected no --exit-when-idle (RETINOPATHY_EXIT_WHEN_IDLE) for a worker of workflows, got \`${text}\`: it must stay while a run lasts`,
    );
  return parseIdleTime(text);
}
