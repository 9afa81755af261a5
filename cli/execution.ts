/** Starts the pipeline's execution, finds a running one again, or replaces it when input or code has changed. */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import {
  type Client,
  type WorkflowExecutionStatusName,
  WorkflowFailedError,
  type WorkflowHandle,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
} from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { differences } from '../config/differences.ts';
import type { PipelineInput } from '../config/input.ts';
import { contentKey } from '../storage/keys.ts';
import { TASK_QUEUE, trainingName } from '../workflows/names.ts';
import type { PipelineResult, retinopathyPipeline } from '../workflows/retinopathy-pipeline.ts';
import type { SteeringAnswer } from '../workflows/signals.ts';

export type PipelineHandle = WorkflowHandle<typeof retinopathyPipeline>;

export interface Execution {
  handle: PipelineHandle;
  /** `started`, `resumed` (it was running), or `finished` (it was done before). */
  how: 'started' | 'resumed' | 'finished';
  /** What was ended for it, and why, or told to it; a sentence each. */
  notes: string[];
}

export interface ExecutionPlan {
  run: string;
  input: PipelineInput;
  store: string;
  /** Hash of the workflows' code, by `workflowCode`. */
  code: string;
}

/** What an execution remembers of the plan it was started for. */
type PlanMemo = Omit<ExecutionPlan, 'run'>;

const RUNNING = "WorkflowType = 'retinopathyPipeline' AND ExecutionStatus = 'Running'";

/** Id of the run of this input: readable, and another one for another input. */
export function runId(input: PipelineInput): string {
  const name = input.source.startsWith('file:') ? 'folder' : input.source.startsWith('http') ? 'server' : input.source;
  const { until, budget, retention, ...rest } = input;
  // Stopping later is the same run gone further; only the input that shapes results names it.
  return `${name}-${contentKey({ stage: 'run', recipe: 1, inputs: {}, parameters: rest }).slice(0, 6)}`;
}

/** Hash of everything that decides how a workflow replays. */
export async function workflowCode(): Promise<string> {
  const hash = createHash('sha256');
  const folder = new URL('../workflows/', import.meta.url);
  for (const name of (await readdir(folder)).sort()) hash.update(name).update(await readFile(new URL(name, folder)));
  return hash.digest('hex').slice(0, 16);
}

/**
 * Gives the execution of `plan`, whatever earlier starts left running.
 * A running execution of another input, store or workflow code is ended with that reason; finished work stays in the store.
 */
export async function openExecution(client: Client, plan: ExecutionPlan): Promise<Execution> {
  const notes: string[] = [];
  for await (const { workflowId } of client.workflow.list({ query: RUNNING })) {
    const memo = (await client.workflow.getHandle(workflowId).describe()).memo as PlanMemo | undefined;
    const reason = whyNot(memo, plan);
    if (reason === null) continue;
    await client.workflow.getHandle(workflowId).terminate(reason);
    await childrenEnded(client, workflowId);
    notes.push(`ended ${workflowId}, because ${reason}`);
  }
  const handle = client.workflow.getHandle<typeof retinopathyPipeline>(plan.run);
  const before = await describe(client, plan.run);
  if (before?.status === 'RUNNING') {
    notes.push(...(await raiseBudget(handle, before.memo?.input, plan.input)));
    return { handle, how: 'resumed', notes };
  }
  if (
    before?.status === 'COMPLETED' &&
    before.memo?.store === plan.store &&
    before.memo.input.until === plan.input.until
  ) {
    return { handle, how: 'finished', notes };
  }
  return { handle: await start(client, plan), how: 'started', notes };
}

/** Why a running execution cannot serve the plan; null when it can. */
function whyNot(memo: PlanMemo | undefined, plan: ExecutionPlan): string | null {
  if (!memo) return 'it was started by something else';
  const changed = differences(withoutLimit(memo.input), withoutLimit(plan.input));
  if (changed.length > 0) return `the input has changed: ${changed.join(', ')}`;
  if (memo.store !== plan.store) return `the store has changed: ${memo.store} → ${plan.store}`;
  return memo.code === plan.code ? null : 'the code of the workflows has changed';
}

/** A run is told another limit of its budget, and what is kept of it afterwards is nothing to it: neither begins it anew. */
function withoutLimit({ budget = null, retention, ...input }: PipelineInput): unknown {
  return { ...input, budget: budget && { ...budget, limit: null } };
}

/** Tells a running execution the limit that is asked for now, where it was started with another. */
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

/** The pipeline's result. @throws Error with the stated failure's message, which is written for a person */
export async function resultOf(handle: PipelineHandle): Promise<PipelineResult> {
  try {
    return await handle.result();
  } catch (error) {
    throw error instanceof WorkflowFailedError ? new Error(statedMessage(error)) : error;
  }
}

/** Ids of the children that a run may have, by their name. */
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

async function describe(
  client: Client,
  id: string,
): Promise<{ status: WorkflowExecutionStatusName; memo: PlanMemo | undefined } | undefined> {
  try {
    const { status, memo } = await client.workflow.getHandle(id).describe();
    return { status: status.name, memo: memo as PlanMemo | undefined };
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}

/** Children are ended by the server after their parent; a new parent cannot start ones of the same id before. */
async function childrenEnded(client: Client, run: string): Promise<void> {
  for (const id of childIds(run)) {
    while ((await describe(client, id))?.status === 'RUNNING') await new Promise(resolve => setTimeout(resolve, 200));
  }
}

/** The failure that an activity or workflow stated, below the layers that say whose it is. */
export function statedMessage(error: Error): string {
  let failure = error;
  while (!(failure instanceof ApplicationFailure) && failure.cause instanceof Error) failure = failure.cause;
  return failure.message;
}
