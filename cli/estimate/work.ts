/** Counts the work of a run from the eyes and the input alone. Pure. */

import {
  isTrainingDatabase,
  planDatabases,
  TEST_DATABASE,
  trainingSample,
  VALIDATION_DATABASE,
} from '../../activities/labels/database-plan.ts';
import { assignFolds, type Eye } from '../../activities/labels/folds.ts';
import { forkedRun, trainingAt } from '../../config/forks.ts';
import type { PipelineInput } from '../../config/input.ts';
import { layoutsOf, recordsPerIteration } from '../../config/training.ts';

/** Work of one network. */
export interface TrainingWork {
  heads: number[];
  epochs: number;
  /** Epochs that the forked run has trained and the store supplies. All of them where the fork is of another network. */
  shared: number;
}

export interface Work {
  /** True where the eyes were counted; false where their number is that of the competition. */
  exact: boolean;
  /** The forked run, if any. Everything before the training is then in the store. */
  forkOf: string | null;
  pictures: number;
  shards: number;
  databases: number;
  /** Database records by fold, of one epoch. `sample`: those of `train` that are evaluated beside the validation fold. */
  records: { train: number; validation: number; test: number; sample: number };
  trainings: number;
  networks: TrainingWork[];
  segmentsPerEpoch: number;
  /** Segments of all trainings, those in the store included. */
  segments: number;
  judgings: number;
  iterations: number;
  /** Share of the above that a fork finds in the store. */
  shared: { segments: number; judgings: number; iterations: number };
}

/**
 * Counts the planned work. A training that stops early takes fewer epochs.
 * @throws RangeError with a one-line message when a fold would be empty
 */
export function countWork(
  eyes: readonly Eye[],
  { images, folds, training }: Pick<PipelineInput, 'images' | 'folds' | 'training'>,
  { exact = true }: { exact?: boolean } = {},
): Work {
  const { plan } = planDatabases(assignFolds(eyes, folds, images.versions), {
    versions: images.versions,
    batch: recordsPerIteration(training),
    segmentsPerEpoch: training.segmentsPerEpoch,
    seed: training.seed,
  });
  const names = Object.keys(plan.databases);
  const lengths = (wanted: (name: string) => boolean) =>
    names.filter(wanted).reduce((sum, name) => sum + plan.databases[name]!.length, 0);
  const records = {
    train: lengths(isTrainingDatabase),
    validation: lengths(name => name === VALIDATION_DATABASE),
    test: lengths(name => name === TEST_DATABASE),
    sample: trainingSample(plan).records,
  };
  const segmentsPerEpoch = names.filter(isTrainingDatabase).length;
  const networks = layoutsOf(training).map(heads => networkOf(training, heads));
  const inEpochs = (epochs: number) => ({
    segments: epochs * segmentsPerEpoch,
    judgings: epochs,
    iterations: (epochs * records.train) / recordsPerIteration(training),
  });
  return {
    exact,
    forkOf: forkedRun({ training }) ?? null,
    pictures: eyes.length,
    shards: Math.ceil(eyes.length / images.shardSize),
    databases: names.length,
    records,
    trainings: networks.length,
    networks,
    segmentsPerEpoch,
    ...inEpochs(networks.reduce((sum, { epochs }) => sum + epochs, 0)),
    shared: inEpochs(networks.reduce((sum, { shared }) => sum + shared, 0)),
  };
}

function networkOf(training: PipelineInput['training'], heads: number[]): TrainingWork {
  const { epochs } = trainingAt(training, heads, Number.POSITIVE_INFINITY);
  const fork = training.forks?.at(-1);
  // Without the name of a run it is unknown whether the epochs before the fork are in a store.
  if (fork?.run === undefined) return { heads, epochs, shared: 0 };
  return { heads, epochs, shared: heads.includes(fork.split) ? fork.epoch : epochs };
}
