/** What a run will do, counted: pure, from the eyes and the input alone. */
import { assignFolds, type Eye } from '../activities/labels/folds.ts';
import { isTrainingDatabase, planDatabases, TEST_DATABASE, VALIDATION_DATABASE } from '../activities/labels/plan.ts';
import type { PipelineInput } from '../config/input.ts';
import { recordsPerIteration } from '../config/iteration.ts';

export interface Work {
  pictures: number;
  shards: number;
  databases: number;
  /** Records of the databases by fold; of one epoch. */
  records: { train: number; validation: number; test: number };
  trainings: number;
  segmentsPerEpoch: number;
  /** Of all trainings together. */
  segments: number;
  judgings: number;
  iterations: number;
}

/** @throws RangeError with one line for a person when a fold would be empty */
export function countWork(eyes: readonly Eye[], { images, folds, training }: PipelineInput): Work {
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
  };
  const segmentsPerEpoch = names.filter(isTrainingDatabase).length;
  const trainings = training.layout === 'four-heads' ? 1 : 4;
  return {
    pictures: eyes.length,
    shards: Math.ceil(eyes.length / images.shardSize),
    databases: names.length,
    records,
    trainings,
    segmentsPerEpoch,
    segments: trainings * training.epochs * segmentsPerEpoch,
    judgings: trainings * training.epochs,
    iterations: (trainings * training.epochs * records.train) / recordsPerIteration(training),
  };
}
