/** Input of a stage: the parent passes all of it; a stage started on its own reads the rest from the run in the store. */
import { ApplicationFailure, workflowInfo } from '@temporalio/workflow';
import { z } from 'zod';
import type { PartialPipelineInput, PipelineInput, Stage } from '../config/input.ts';
import { runIdProblem } from '../storage/key-syntax.ts';
import { runActivities } from './activities.ts';
import { argumentOf, optional } from './handlers.ts';

/** Keys of the stages that a stage reads, by name in run.json. */
export type Upstream = Record<string, string>;

/** Argument of a stage's workflow: all three fields from the parent; by hand `{"run": "…"}`, or `{"input": {…}}` for the first stage. */
export interface StageArgs {
  run?: string;
  input?: PartialPipelineInput;
  upstream?: Upstream;
}

export interface Located {
  run: string;
  input: PipelineInput;
  upstream: Upstream;
}

const stageArgs = z.object({
  run: optional(z.string()),
  input: optional(z.custom<PartialPipelineInput>()),
  upstream: optional(z.record(z.string(), z.string())),
});

/** Resolves a stage's input; reads omitted fields from the run's stored record. @throws ApplicationFailure, final, on invalid input */
export async function locate(given: StageArgs, stage: Stage): Promise<Located> {
  const args = argumentOf(stageArgs, given);
  checkRunId(args.run ?? workflowInfo().workflowId);
  if (args.run !== undefined && args.upstream) {
    const { run, input = {}, upstream } = args;
    // The parent has already validated the input.
    if (workflowInfo().parent) return { run, input: input as PipelineInput, upstream };
    return { run, input: (await runActivities.resolveInput({ run, input })).input, upstream };
  }
  if (args.run === undefined && stage !== 'download') {
    throw ApplicationFailure.nonRetryable(
      `Expected \`run\` to name a run whose earlier stages are in the store, got nothing: start ${stage} with --input '{"run": "ID"}'`,
      'BadInput',
    );
  }
  if (args.run === undefined || args.input) {
    const run = args.run ?? workflowInfo().workflowId;
    const resolved = await runActivities.resolveInput({ run, input: args.input ?? {} });
    return { run, input: resolved.input, upstream: {} };
  }
  const record = await runActivities.readRun({ run: args.run });
  const finished = Object.entries(record.stages).filter(([, entry]) => entry.finished);
  return {
    run: args.run,
    input: record.input,
    upstream: Object.fromEntries(finished.map(([name, entry]) => [name, entry.key])),
  };
}

/** Validates a run ID. @throws ApplicationFailure, final, if the ID does not suit store keys and child workflow IDs */
export function checkRunId(run: string): void {
  const problem = runIdProblem(run);
  if (problem !== undefined) throw ApplicationFailure.nonRetryable(problem, 'BadInput');
}

/** Returns the key of a stage. @throws ApplicationFailure, final, if that stage is not finished */
export function required(upstream: Upstream, name: string, run: string): string {
  const key = upstream[name];
  if (key === undefined) {
    throw ApplicationFailure.nonRetryable(
      `Expected stage ${name} of run ${run} to be finished, got none in the store: run it first`,
      'BadInput',
    );
  }
  return key;
}
