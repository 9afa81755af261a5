/** What `retinopathy fork` is asked for: the input of the new run, and whether its snapshot is there to start from. */
import { epochSnapshots } from '../activities/training/epoch-snapshots.ts';
import { readInputs } from '../activities/training/inputs.ts';
import { type Fork, forkedInput, trainingAt } from '../config/forks.ts';
import type { PartialPipelineInput, PipelineInput } from '../config/input.ts';
import { mergeInputs } from '../config/merge.ts';
import { resolveInput } from '../config/resolve.ts';
import { parseSetting } from '../config/set.ts';
import { splitLabel, trainingName } from '../workflows/names.ts';
import { type ChosenRun, finishedStage } from './choose-run.ts';
import { counted } from './format.ts';
import { UserError } from './user-error.ts';

export interface ForkRequest {
  /** 0 – 3 */
  split: number;
  fromEpoch: number;
  /** `training.baseRate=0.001` */
  set: string[];
}

/** What `--set` says of the training belongs to the fork, anything else to the whole run. @throws UserError */
export function inputOfFork({ run, record }: Pick<ChosenRun, 'run' | 'record'>, request: ForkRequest): PipelineInput {
  try {
    const { training = {}, ...rest } = request.set
      .map(parseSetting)
      .reduce<PartialPipelineInput>((all, setting) => mergeInputs(all, setting), {});
    const fork: Fork = { run, split: request.split, epoch: request.fromEpoch, set: training as Fork['set'] };
    return resolveInput(forkedInput(record.input, { ...rest, training: { forks: [fork] } }));
  } catch (error) {
    throw new UserError((error as Error).message);
  }
}

/**
 * The epochs of the split that have to be trained again for the fork; 0 where its snapshot is in the store.
 * @throws UserError when the run has not come so far
 */
export async function epochsToTrainAgain(chosen: ChosenRun, { split, fromEpoch }: ForkRequest): Promise<EpochsAgain> {
  const { run, store, record } = chosen;
  const { training, images } = record.input;
  const heads = training.layout === 'four-heads' ? [0, 1, 2, 3] : [split];
  const name = trainingName(heads);
  const args = { run, name, heads, label: finishedStage(chosen, 'label'), training, images };
  const inputs = await readInputs(store, args);
  const { epochs } = trainingAt(training, heads, Number.POSITIVE_INFINITY);
  const snapshots = await epochSnapshots(store, inputs, args, epochs);
  const trained = snapshots.findIndex(snapshot => !snapshot.trained);
  const at = snapshots[fromEpoch - 1];
  if (!at?.trained) {
    throw new UserError(
      `Expected --from-epoch to be one that run ${run} has trained split ${splitLabel(split)} to, got ${fromEpoch}: it has ${counted(trained < 0 ? epochs : trained, 'epoch')}`,
    );
  }
  const kept = snapshots.filter(snapshot => snapshot.kept).map(({ epoch }) => epoch);
  return { epochs: fromEpoch - (kept.findLast(epoch => epoch <= fromEpoch) ?? 0), kept };
}

export interface EpochsAgain {
  epochs: number;
  /** Epochs whose snapshots are in the store. */
  kept: number[];
}
