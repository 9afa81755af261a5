/** Lets every stage be started by its parent, which hands it all it needs, or on its own for a run that is in the store. */
import { ApplicationFailure, workflowInfo } from '@temporalio/workflow';
import type { PartialPipelineInput, PipelineInput, Stage } from '../config/input.ts';
import { runActivities } from './proxies.ts';

/** Keys of the stages that a stage reads, by their name in run.json. */
export type Upstream = Record<string, string>;

/** Argument of every stage's workflow. From the parent all three; by hand `{"run": "…"}`, or `{"input": {…}}` for the first stage. */
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

/** Fills in what the caller left out from the run's record in the store. */
export async function locate(args: StageArgs, stage: Stage): Promise<Located> {
  if (args.run !== undefined && args.upstream) {
    return { run: args.run, input: args.input as PipelineInput, upstream: args.upstream };
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

/** The key of a stage that must be finished. */
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
