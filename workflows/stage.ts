/** Shared code of all stages: open by key, report progress to the parent, wait while paused, and close with a manifest. */
import { type WithWorkflowArgs, WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import {
  ApplicationFailure,
  type ChildWorkflowHandle,
  type ChildWorkflowOptions,
  condition,
  getExternalWorkflowHandle,
  log,
  setCurrentDetails,
  // biome-ignore lint/style/noRestrictedImports: the one place that starts children
  startChild,
  type Workflow,
  workflowInfo,
} from '@temporalio/workflow';
import type { CloseStageArgs, OpenedStage, OpenStageArgs } from '../activities/run/types.ts';
import { RECIPES, type Stage } from '../config/stages.ts';
import { runActivities } from './activities.ts';
import { onSignal } from './handlers.ts';
import type { ProgressMessage, StageProgress } from './progress.ts';
import { counts as countsText } from './progress.ts';
import { progressSignal, type Steering, steeringSignal } from './signals.ts';

/** Result of a finished stage, which the next stage reads. */
export interface StageResult {
  key: string;
  /** `stages/<stage>/<key>` */
  prefix: string;
  reused: boolean;
  seconds: number;
  counts: Record<string, number>;
}

/** Sends a message to the parent workflow, if there is one. Failures are only logged. */
export async function tellParent(message: ProgressMessage): Promise<void> {
  const parent = workflowInfo().parent;
  if (!parent) return;
  try {
    await getExternalWorkflowHandle(parent.workflowId, parent.runId).signal(progressSignal, message);
  } catch (error) {
    log.warn('The parent did not take the progress message', { error: String(error) });
  }
}

export const tellStage = (stage: Stage, progress: Partial<StageProgress>) =>
  tellParent({ kind: 'stage', stage, progress });

/** Registers the steering handler. `mayGoOn` waits while the run is paused. */
export function listenToSteering(
  onOther?: (steering: Steering) => Promise<void>,
  paused = false,
): { mayGoOn(): Promise<void>; paused(): boolean } {
  let isPaused = paused;
  onSignal(
    steeringSignal,
    async steering => {
      if (steering.kind === 'pause') isPaused = true;
      else if (steering.kind === 'resume') isPaused = false;
      else await onOther?.(steering);
    },
    { description: 'From the parent: pause, resume, stop early, extend' },
  );
  return {
    mayGoOn: async () => {
      if (isPaused) await condition(() => !isPaused);
    },
    paused: () => isPaused,
  };
}

/**
 * Opens the stage and returns its result if equal work is cached. Otherwise runs `work` and closes the stage with the
 * outputs and counts that it returns.
 */
export async function asStage(
  { run, stage, inputs, parameters }: Omit<OpenStageArgs, 'name' | 'recipe'> & { stage: keyof typeof RECIPES },
  work: (opened: OpenedStage) => Promise<Pick<CloseStageArgs, 'outputs' | 'counts'>>,
): Promise<StageResult> {
  const open: OpenStageArgs = { run, name: stage, stage, recipe: RECIPES[stage], inputs, parameters };
  const opened = await runActivities.openStage.executeWithOptions({ summary: `open ${stage}` }, [open]);
  const { key, prefix, reason, openedAt, finished } = opened;
  const details = `**${stage}** · ${prefix}\n\n${reason}`;
  setCurrentDetails(details);
  if (finished) return { key, prefix, reused: true, ...finished };
  const made = await work(opened);
  const { seconds } = await runActivities.closeStage.executeWithOptions({ summary: `close ${stage}` }, [
    { ...open, key, openedAt, ...made },
  ]);
  setCurrentDetails(`${details}\n\n${countsText(made.counts)}`);
  return { key, prefix, reused: false, seconds, counts: made.counts };
}

/** Starts a child workflow. @throws ApplicationFailure, final, if a foreign workflow runs under the ID of the child */
export async function startOwnChild<Child extends Workflow>(
  workflow: Child,
  options: WithWorkflowArgs<Child, ChildWorkflowOptions> & { workflowId: string },
): Promise<ChildWorkflowHandle<Child>> {
  try {
    return await startChild<Child>(workflow.name, options);
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    const { workflowId } = options;
    throw ApplicationFailure.nonRetryable(
      `Expected the workflow id ${workflowId} to be free for a stage of this run, got a running workflow that the run did not start: let it end, or end it (temporal workflow terminate --workflow-id ${workflowId}), and start the run again`,
      'IdTaken',
    );
  }
}
