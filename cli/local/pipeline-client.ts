/** Starts the pipeline's execution, resumes a running one, or replaces it when its input or code has changed. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, WorkflowFailedError, type WorkflowHandle, WorkflowUpdateFailedError } from '@temporalio/client';
import { ApplicationFailure, type Workflow, type WorkflowResultType } from '@temporalio/common';
import { runKey } from '../../activities/run/records.ts';
import type { PipelineInput } from '../../config/input.ts';
import { differences } from '../../config/merge.ts';
import { UserError } from '../../lib/user-error.ts';
import { contentKey } from '../../storage/content-key.ts';
import { runFolder, runIdProblem } from '../../storage/key-syntax.ts';
import type { ArtifactStore } from '../../storage/store.ts';
import { TASK_QUEUE, trainingName } from '../../workflows/ids.ts';
import type { retinopathyPipeline } from '../../workflows/retinopathy-pipeline.ts';
import type { SteeringAnswer } from '../../workflows/signals.ts';
import { findStuck, ignoreMissing } from './workflow-task.ts';

export type PipelineHandle = WorkflowHandle<typeof retinopathyPipeline>;

export interface Execution {
  handle: PipelineHandle;
  /** `started`, `resumed` (it was running), or `finished` (it was done before). */
  how: 'started' | 'resumed' | 'finished';
  /** Sentences for display about ended executions, lost results and changes of the budget. */
  notes: string[];
}

export interface ExecutionPlan {
  run: string;
  input: PipelineInput;
  /** Id of the store, as the store of an out folder may be moved. */
  store: string;
  /** Hash of the workflows' code that the workers run. */
  code: string;
}

/** Memo of an execution: the plan that it was started for. */
type PlanMemo = Omit<ExecutionPlan, 'run'>;

const RUNNING = "WorkflowType = 'retinopathyPipeline' AND ExecutionStatus = 'Running'";

/** Returns a readable id for the run of this input. Another input gives another id. */
export function runId(input: PipelineInput): string {
  const name = input.source.startsWith('file:') ? 'folder' : input.source.startsWith('http') ? 'server' : input.source;
  const { until, budget, retention, ...rest } = input;
  // Only fields that shape results name the run: one that stops later is the same run, further advanced.
  return `${name}-${contentKey({ stage: 'run', recipe: 1, inputs: {}, parameters: rest }).slice(0, 6)}`;
}

/** Objects of a run that the store still has. A user may remove parts of a store that an execution relies on. */
export interface StoredRun {
  record: boolean;
  report: boolean;
}

export async function storedOf(store: ArtifactStore, run: string): Promise<StoredRun> {
  const record = (await store.head(runKey(run))) !== undefined;
  for await (const _ of store.list(`${runFolder(run)}/report/`)) return { record, report: true };
  return { record, report: false };
}

/**
 * Returns the execution of `plan`, whatever earlier commands left running.
 * Terminates a running execution of another input, store or workflow code, and states the reason. Finished work stays in the store.
 * @param faultOf returns what a finished run has lost; the run is then started again
 */
export async function openExecution(
  client: Client,
  plan: ExecutionPlan,
  stored: StoredRun,
  faultOf: () => Promise<string | null> = async () => null,
): Promise<Execution> {
  const notes: string[] = [];
  for await (const { workflowId } of client.workflow.list({ query: RUNNING })) {
    const memo = (await client.workflow.getHandle(workflowId).describe()).memo as PlanMemo | undefined;
    const gone = workflowId === plan.run && !stored.record;
    const stuck = async () => findStuck(client, [workflowId, ...childIds(workflowId)]);
    const reason =
      (gone ? 'the store has no record of it' : whyNot(memo, plan)) ??
      ((await stuck()) ? 'its history does not fit the code of the workflows' : null);
    if (reason === null) continue;
    // The list lags behind, so the execution may have ended by itself.
    await client.workflow.getHandle(workflowId).terminate(reason).catch(ignoreMissing);
    await untilEnded(client, childIds(workflowId));
    notes.push(`ended ${workflowId}, because ${reason}`);
  }
  const handle = client.workflow.getHandle<typeof retinopathyPipeline>(plan.run);
  const before = await describe<PlanMemo>(client, plan.run);
  if (before?.status === 'RUNNING') {
    if (before.type !== 'retinopathyPipeline') throw idTaken(plan.run, before.type);
    notes.push(...(await raiseBudget(handle, before.memo?.input, plan.input)));
    return { handle, how: 'resumed', notes };
  }
  if (
    before?.status === 'COMPLETED' &&
    before.memo?.store === plan.store &&
    before.memo.input.until === plan.input.until
  ) {
    // A run of only the first stage has no report.
    const hasReport = stored.report || plan.input.until === 'download';
    const fault = stored.record && hasReport ? await faultOf() : 'the store has no report of it';
    if (fault === null) return { handle, how: 'finished', notes };
    notes.push(`made again what was lost: ${fault}`);
  }
  return { handle: await start(client, plan), how: 'started', notes };
}

/** Returns why a running execution cannot serve the plan; null when it can. */
function whyNot(memo: PlanMemo | undefined, plan: ExecutionPlan): string | null {
  if (!memo) return 'it was started by something else';
  const changed = differences(withoutLimit(memo.input), withoutLimit(plan.input));
  if (changed.length > 0) return `the input has changed: ${changed.join(', ')}`;
  if (memo.store !== plan.store) return 'another store is used';
  return memo.code === plan.code ? null : 'the code of the workflows has changed';
}

/** Removes the budget's limit and `retention` from an input. A change of either does not restart the run. */
function withoutLimit({ budget = null, retention, ...input }: PipelineInput): unknown {
  return { ...input, budget: budget && { ...budget, limit: null } };
}

/** Sends the budget's limit to a running execution that was started with another one. @returns its answer, for display */
async function raiseBudget(
  handle: PipelineHandle,
  before: PipelineInput | undefined,
  { budget }: PipelineInput,
): Promise<string[]> {
  if (!budget || before?.budget?.limit === budget.limit) return [];
  try {
    const { plan } = await handle.executeUpdate<SteeringAnswer, [number]>('raiseBudget', { args: [budget.limit] });
    return [plan];
  } catch (error) {
    if (error instanceof WorkflowUpdateFailedError) return [statedMessage(error)];
    throw error;
  }
}

/** Waits for the result of an execution. @throws Error with the message of the original failure, which users can read */
export async function resultOf<Ran extends Workflow>(handle: WorkflowHandle<Ran>): Promise<WorkflowResultType<Ran>> {
  try {
    return await handle.result();
  } catch (error) {
    throw error instanceof WorkflowFailedError ? new Error(statedMessage(error)) : error;
  }
}

/** Returns the ids of all children that a run may have. */
export function childIds(run: string): string[] {
  const trainings = [[0], [1], [2], [3], [0, 1, 2, 3]].map(trainingName);
  return ['download', 'prepare', 'label', ...trainings, 'regress'].map(name => `${run}/${name}`);
}

function start(client: Client, { run, ...memo }: ExecutionPlan): Promise<PipelineHandle> {
  return client.workflow.start<typeof retinopathyPipeline>('retinopathyPipeline', {
    workflowId: run,
    taskQueue: TASK_QUEUE,
    args: [memo.input],
    memo,
    staticSummary: `Diabetic retinopathy · ${memo.input.source}`,
    staticDetails: `Four networks, one regression. Stops after **${memo.input.until}**.`,
  });
}

/** Describes an execution; undefined where the server has none of that id. @param id id of an execution whose memo is a `Memo` */
export async function describe<Memo>(client: Client, id: string) {
  const found = await client.workflow.getHandle(id).describe().catch(ignoreMissing);
  return found && { type: found.type, status: found.status.name, memo: found.memo as Memo | undefined };
}

/** Waits until all have ended. The server ends children after their parent, and their ids cannot be reused before. */
export async function untilEnded(client: Client, ids: readonly string[]): Promise<void> {
  for (const id of ids) {
    while ((await describe(client, id))?.status === 'RUNNING') await sleep(200);
  }
}

/** Returns the id if it is valid. @throws UserError for an id that is invalid in the store or as a prefix of the children's ids */
export function checkRunId(run: string): string {
  const problem = runIdProblem(run);
  if (problem !== undefined) throw new UserError(problem);
  return run;
}

/** Creates the error for an id that another workflow uses. The command does not end workflows that it did not start. */
export function idTaken(id: string, type: string): UserError {
  return new UserError(
    `Expected the workflow id ${id} to be free, got a running ${type} that something else started: let it end, or end it (temporal workflow terminate --workflow-id ${id})`,
  );
}

/** Returns the message of the failure that an activity or workflow threw, below the layers that wrap it. */
function statedMessage(error: Error): string {
  let failure = error;
  while (!(failure instanceof ApplicationFailure) && failure.cause instanceof Error) failure = failure.cause;
  return failure.message;
}
