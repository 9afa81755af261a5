/** One worker process: connects, registers what its role does, runs until it is told to stop. */
import { availableParallelism, hostname } from 'node:os';
import { fileURLToPath } from 'node:url';
import { NativeConnection, Runtime, Worker, type WorkerOptions } from '@temporalio/worker';
import type { ActivityServices } from '../activities/services.ts';
import { DOWNLOAD_TASK_QUEUE, GPU_TASK_QUEUE, TASK_QUEUE } from '../workflows/names.ts';
import { temporalService } from './connection.ts';
import { cpuActivities, transferActivities } from './cpu.ts';
import { FailurePolicy } from './failure-policy.ts';
import { gpuActivities } from './gpu.ts';
import { createLogger, temporalLogger } from './logger.ts';
import { READY_LINE, type Role } from './roles.ts';
import { openServices } from './services.ts';

const SHUTDOWN_FORCE = '15s';
/** Five parts and the labels, and some more where an archive has seven. */
const TRANSFERS = 8;

/**
 * Runs a worker until SIGTERM or SIGINT.
 * @param env TEMPORAL_*, RETINOPATHY_STORE, RETINOPATHY_SLOTS (activities at once; default: the cores)
 * @throws Error with one line for a person when the service or the store cannot be reached
 */
export async function runWorker(role: Role, env: NodeJS.ProcessEnv): Promise<void> {
  const log = createLogger(role, env);
  Runtime.install({ logger: temporalLogger(log), shutdownSignals: ['SIGTERM', 'SIGINT', 'SIGHUP'] });
  const service = temporalService(env);
  const connection = await NativeConnection.connect(service.connectionOptions).catch(error => {
    throw new Error(`Expected a Temporal service at ${service.address}, got: ${error.message}`);
  });
  try {
    const services = role === 'workflow' ? undefined : await openServices(role, log, env);
    try {
      const workers = await Promise.all(
        workerOptions(role, env, services).map(options =>
          Worker.create({
            connection,
            namespace: service.namespace,
            identity: `${role}/${env.RETINOPATHY_INSTANCE ?? hostname()}/${process.pid}`,
            shutdownForceTime: SHUTDOWN_FORCE,
            ...options,
          }),
        ),
      );
      const stopped = Promise.all(workers.map(worker => worker.run()));
      process.stdout.write(`${READY_LINE}\n`);
      log.info({ role, address: service.address, store: services?.store.url }, 'worker started');
      await stopped;
    } finally {
      await services?.close();
    }
  } finally {
    await connection.close();
  }
}

/** A worker for each queue that the role polls. */
function workerOptions(
  role: Role,
  env: NodeJS.ProcessEnv,
  services: ActivityServices | undefined,
): Omit<WorkerOptions, 'connection'>[] {
  if (!services) {
    const workflowsPath = fileURLToPath(new URL('../workflows/index.ts', import.meta.url));
    // Each cached workflow costs memory outside the V8 heap.
    return [{ taskQueue: TASK_QUEUE, workflowsPath, maxCachedWorkflows: 20 }];
  }
  const slots = slotsOf(env);
  if (role === 'gpu') return [activityWorker(GPU_TASK_QUEUE, gpuActivities(services), slots)];
  return [
    activityWorker(TASK_QUEUE, cpuActivities(services), slots),
    activityWorker(DOWNLOAD_TASK_QUEUE, transferActivities(services), TRANSFERS),
  ];
}

function activityWorker(taskQueue: string, activities: object, slots: number): Omit<WorkerOptions, 'connection'> {
  return {
    taskQueue,
    activities,
    maxConcurrentActivityTaskExecutions: slots,
    // A kill loses the details since the last heartbeat that was sent.
    maxHeartbeatThrottleInterval: '5s',
    interceptors: { activity: [context => ({ inbound: new FailurePolicy(context) })] },
  };
}

/** @throws Error with one line for a person */
function slotsOf(env: NodeJS.ProcessEnv): number {
  const text = env.RETINOPATHY_SLOTS ?? String(availableParallelism());
  const slots = Number(text);
  if (Number.isInteger(slots) && slots >= 1) return slots;
  throw new Error(`Expected RETINOPATHY_SLOTS to be an integer from 1, got \`${text}\``);
}
