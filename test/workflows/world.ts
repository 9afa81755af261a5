/** The workflows on a real server, with activities that do nothing but check an input. */
import { CompleteAsyncError, type Context } from '@temporalio/activity';
import type { WorkflowHandle } from '@temporalio/client';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import type { ReportActivities } from '../../activities/report/types.ts';
import { createRunActivities } from '../../activities/run/index.ts';
import type { RunActivities } from '../../activities/run/types.ts';
import { findTemporalCli } from '../../lib/tools/temporal-cli.ts';
import { failurePolicy } from '../../workers/retry-limit-interceptor.ts';
import { bundleWorkflows } from '../../workers/workflow-bundle.ts';
import { TASK_QUEUE } from '../../workflows/ids.ts';
import { eventually } from '../support/command.ts';
import { testServices } from '../support/services.ts';

export interface World {
  environment: TestWorkflowEnvironment;
  start(type: string, workflowId: string, args: unknown[]): Promise<WorkflowHandle>;
  close(): Promise<void>;
}

export async function startWorld(): Promise<World> {
  Runtime.install({ logger: new DefaultLogger('ERROR') });
  const server = { executable: { type: 'existing-path', path: (await findTemporalCli()).path } } as const;
  const environment = await TestWorkflowEnvironment.createLocal({ server });
  const services = await testServices();
  const { resolveInput } = createRunActivities(services);
  const activities: RunActivities & Pick<ReportActivities, 'writeProgressPage'> = {
    ...{ resolveInput, openStage: never, closeStage: never, readRun: never, readManifest: never },
    writeProgressPage: async () => {},
  };
  const worker = await Worker.create({
    ...{ connection: environment.nativeConnection, taskQueue: TASK_QUEUE, activities },
    interceptors: { activity: [(context: Context) => ({ inbound: failurePolicy(context) })] },
    workflowBundle: { code: await bundleWorkflows() },
  });
  const running = worker.run();
  return {
    environment,
    start: (type, workflowId, args) =>
      environment.client.workflow.start(type, { workflowId, taskQueue: TASK_QUEUE, args }),
    async close() {
      worker.shutdown();
      await running;
      await environment.teardown();
      await services.close();
    },
  };
}

/** Is not done while a test lasts. */
async function never(): Promise<never> {
  throw new CompleteAsyncError();
}

/** Resolves when the workflow has taken all that was sent to it before, and has checked its input. */
export async function caughtUp(handle: WorkflowHandle): Promise<void> {
  await eventually(`${handle.workflowId} to take what was sent`, 40, async () => {
    const { status, raw } = await handle.describe();
    if (status.name !== 'RUNNING' || (raw.pendingWorkflowTask?.attempt ?? 0) > 1) return true;
    const checks = raw.pendingActivities?.some(({ activityType }) => activityType?.name === 'resolveInput');
    return !raw.pendingWorkflowTask && !checks;
  });
}

/** What the workflow failed with, below the layers that say whose failure it is. */
export async function failureOf(handle: WorkflowHandle): Promise<string | undefined> {
  const { cause } = await handle.result().catch(error => error);
  return (cause?.cause ?? cause)?.message;
}
