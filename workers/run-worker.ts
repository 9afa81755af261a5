/** One worker process: connects, registers what its role does, runs until it is told to stop. */
import { availableParallelism, hostname } from 'node:os';
import { fileURLToPath } from 'node:url';
import { NativeConnection, Runtime, Worker, type WorkerOptions } from '@temporalio/worker';
import { GPU_TASK_QUEUE, TASK_QUEUE } from '../workflows/names.ts';
import { temporalService } from './connection.ts';
import { cpuActivities } from './cpu.ts';
import { FailurePolicy } from './failure-policy.ts';
import { gpuActivities } from './gpu.ts';
import { createLogger, temporalLogger } from './logger.ts';
import { READY_LINE, type Role } from './roles.ts';
import { openServices } from './services.ts';

const SHUTDOWN_FORCE = '15s';

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
      const worker = await Worker.create({
        connection,
        namespace: service.namespace,
        identity: `${role}/${env.RETINOPATHY_INSTANCE ?? hostname()}/${process.pid}`,
        shutdownForceTime: SHUTDOWN_FORCE,
        ...options(role, env, services),
      });
      const stopped = worker.run();
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

function options(
  role: Role,
  env: NodeJS.ProcessEnv,
  services: Awaited<ReturnType<typeof openServices>> | undefined,
): Omit<WorkerOptions, 'connection'> {
  if (!services) {
    return {
      taskQueue: TASK_QUEUE,
      workflowsPath: fileURLToPath(new URL('../workflows/index.ts', import.meta.url)),
      // Each cached workflow costs memory outside the V8 heap.
      maxCachedWorkflows: 20,
    };
  }
  const slots = Number(env.RETINOPATHY_SLOTS ?? availableParallelism());
  return {
    taskQueue: role === 'gpu' ? GPU_TASK_QUEUE : TASK_QUEUE,
    activities: role === 'gpu' ? gpuActivities(services) : cpuActivities(services),
    maxConcurrentActivityTaskExecutions: slots,
    // A kill loses the details since the last heartbeat that was sent.
    maxHeartbeatThrottleInterval: '5s',
    interceptors: { activity: [context => ({ inbound: new FailurePolicy(context) })] },
  };
}
