/** What a run will do, counted: pure, from the eyes and the input alone. */
import { assignFolds, type Eye } from '../activities/labels/folds.ts';
import {
  isTrainingDatabase,
  planDatabases,
  TEST_DATABASE,
  trainingSample,
  VALIDATION_DATABASE,
} from '../activities/labels/plan.ts';
import { forkedRun, trainingAt } from '../config/forks.ts';
import type { PipelineInput } from '../config/input.ts';
import { recordsPerIteration } from '../config/iteration.ts';
import { layoutsOf } from '../config/layouts.ts';

/** One network. */
export interface TrainingWork {
  heads: number[];
  epochs: number;
  /** Epochs that the run forked has trained: they come from the store. All of them where the fork is another network's. */
  shared: number;
}

export interface Work {
  /** Whether the eyes were counted, or are as many as the competition's. */
  exact: boolean;
  /** The run that this one is a fork of: all up to the training is found in the store. */
  forkOf: string | null;
  pictures: number;
  shards: number;
  databases: number;
  /** Records of the databases by fold; of one epoch. `sample`: those of `train` that are judged beside the validation fold. */
  records: { train: number; validation: number; test: number; sample: number };
  trainings: number;
  networks: TrainingWork[];
  segmentsPerEpoch: number;
  /** Of all trainings together, those in the store included. */
  segments: number;
  judgings: number;
  iterations: number;
  /** What of these a fork finds in the store. */
  shared: { segments: number; judgings: number; iterations: number };
}

/**
 * Epochs are those planned: a training that stops early has fewer.
 * @throws RangeError with one line for a person when a fold would be empty
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
  // Without a run nobody knows whether somebody has trained what lies before.
  if (fork?.run === undefined) return { heads, epochs, shared: 0 };
  return { heads, epochs, shared: heads.includes(fork.split) ? fork.epoch : epochs };
}
