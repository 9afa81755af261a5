/** Failing workflow tasks, as the server reports them. The server retries them without limit; otherwise only a worker's log shows them. */
import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import type { temporal } from '@temporalio/proto';
import { UserError } from '../../lib/user-error.ts';

export interface FailingTask {
  workflow: string;
  attempt: number;
  /** First line of the failure. */
  message: string;
  /** Other code than that of the workers wrote the history (TMPRL1100), so no retry helps. */
  nonDeterministic: boolean;
}

type Described = Awaited<ReturnType<ReturnType<Client['workflow']['getHandle']>['describe']>>;

/** `temporal.api.enums.v1.WorkflowTaskFailedCause`: the package exports its enumerations only to CommonJS. */
const NON_DETERMINISTIC_ERROR = 24;
/** A failed task is among the last events, apart from signals that came since. */
const LAST_EVENTS = 200;

/** Returns how the task of a workflow fails; undefined when it does not, or when the server only waits for a worker. */
export async function failingTask(client: Client, { workflowId, raw }: Described): Promise<FailingTask | undefined> {
  const attempt = raw.pendingWorkflowTask?.attempt ?? 1;
  if (attempt < 2) return undefined;
  const { history } = await client.workflowService.getWorkflowExecutionHistoryReverse({
    ...{ namespace: client.options.namespace, execution: { workflowId }, maximumPageSize: LAST_EVENTS },
  });
  const failed = history?.events?.find(isEndOfTask)?.workflowTaskFailedEventAttributes;
  if (!failed) return undefined;
  return {
    workflow: workflowId,
    attempt,
    message: (failed.failure?.message ?? '').split('\n')[0] ?? '',
    nonDeterministic: failed.cause === NON_DETERMINISTIC_ERROR,
  };
}

/** Returns the first of the workflows whose history does not fit the code of the workers. */
export async function findStuck(client: Client, ids: readonly string[]): Promise<string | undefined> {
  const failing = await Promise.all(
    ids.map(async id => {
      const described = await client.workflow.getHandle(id).describe().catch(ignoreMissing);
      return described?.status.name === 'RUNNING' ? failingTask(client, described) : undefined;
    }),
  );
  return failing.find(task => task?.nonDeterministic)?.workflow;
}

/**
 * Creates the error for an execution whose history does not fit the code of the workers.
 * @param elsewhere id of the run, where it is not on the command's own Temporal server
 */
export function doesNotFit(stuck: string, elsewhere?: string): UserError {
  const cure =
    elsewhere === undefined
      ? 'start again, which ends it and begins it with the present code'
      : `run workers of the release that began it, or end it (temporal workflow terminate --workflow-id ${elsewhere}) and start it again under the same id`;
  return new UserError(
    `Expected ${stuck} to go on, got a history that does not fit the code of the workers (TMPRL1100, another release began it): ${cure}; finished work is not done twice`,
  );
}

/** Returns undefined for the error of an execution that does not exist or has ended. @throws any other error */
export function ignoreMissing(error: unknown): undefined {
  if (!(error instanceof WorkflowNotFoundError)) throw error;
}

function isEndOfTask(event: temporal.api.history.v1.IHistoryEvent): boolean {
  return Boolean(
    event.workflowTaskCompletedEventAttributes ??
      event.workflowTaskFailedEventAttributes ??
      event.workflowTaskTimedOutEventAttributes,
  );
}
