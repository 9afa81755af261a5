/** What all stages have in common: they are opened by key, tell their parent how far they are, can be paused, and are closed by a manifest. */
import {
  condition,
  getExternalWorkflowHandle,
  log,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type { CloseStageArgs, OpenedStage, OpenStageArgs } from '../activities/run/types.ts';
import type { Stage } from '../config/input.ts';
import type { ProgressMessage, SplitProgress, StageProgress } from './progress.ts';
import { counts as countsText } from './progress.ts';
import { runActivities } from './proxies.ts';
import { progressSignal, type Steering, steeringSignal } from './signals.ts';

/** What a finished stage hands to the next one. */
export interface StageResult {
  key: string;
  /** `stages/<stage>/<key>` */
  prefix: string;
  reused: boolean;
  seconds: number;
  counts: Record<string, number>;
}

/** Sends a message to the workflow that started this one; started on its own there is none. */
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
export const tellSplits = (name: string, splits: SplitProgress[]) => tellParent({ kind: 'splits', name, splits });

/** Listens to steering; `mayGoOn` resolves at once unless the run is paused. */
export function listenToSteering(onOther?: (steering: Steering) => void): { mayGoOn(): Promise<void> } {
  let paused = false;
  setHandler(
    steeringSignal,
    steering => {
      if (steering.kind === 'pause') paused = true;
      else if (steering.kind === 'resume') paused = false;
      else onOther?.(steering);
    },
    { description: 'From the parent: pause, resume, stop early, extend' },
  );
  return {
    mayGoOn: async () => {
      if (paused) await condition(() => !paused);
    },
  };
}

/**
 * Opens the stage; when equal work is in the store already returns it, otherwise does `work` and closes the stage with the
 * outputs and counts it gives.
 */
export async function asStage(
  open: OpenStageArgs,
  work: (opened: OpenedStage) => Promise<Pick<CloseStageArgs, 'outputs' | 'counts'>>,
): Promise<StageResult> {
  const opened = await runActivities.openStage.executeWithOptions({ summary: `open ${open.name}` }, [open]);
  setCurrentDetails(`**${open.name}** · ${opened.prefix}\n\n${opened.reason}`);
  if (opened.finished) {
    return {
      key: opened.key,
      prefix: opened.prefix,
      reused: true,
      seconds: opened.finished.seconds,
      counts: opened.finished.counts,
    };
  }
  const made = await work(opened);
  const manifest = await runActivities.closeStage.executeWithOptions({ summary: `close ${open.name}` }, [
    { ...open, key: opened.key, openedAt: opened.openedAt, outputs: made.outputs, counts: made.counts },
  ]);
  setCurrentDetails(`**${open.name}** · ${opened.prefix}\n\n${opened.reason}\n\n${countsText(made.counts)}`);
  return {
    key: opened.key,
    prefix: opened.prefix,
    reused: false,
    seconds: manifest.seconds,
    counts: made.counts,
  };
}
