/** Does the report's interval hold the truth as often as it says, and does the regression earn its place? Pure. */
import { bootstrapByPatient, type Interval } from '../../../activities/regression/bootstrap.ts';
import { baselineStage, mostProbableStage } from '../../../activities/regression/evaluate.ts';
import type { ScoredEye } from '../../../activities/regression/eyes.ts';
import { buildFeatures } from '../../../activities/regression/features.ts';
import { fitStages, settingsOf } from '../../../activities/regression/fit.ts';
import { confusionMatrix, kappaStatistic, quadraticWeightedKappa } from '../../../activities/regression/kappa.ts';
import { predictLinear } from '../../../activities/regression/ridge.ts';
import { stageOf } from '../../../activities/regression/thresholds.ts';
import { pipelineInputSchema } from '../../../config/input.ts';
import { COMPETITION, heldOut, type Kind, simulateEyes } from './population.ts';

/** One simulated set, judged as the report does, and by the population it was drawn from. */
export interface Trial {
  seed: number;
  /** Measured on the set's test fold. */
  qwk: number;
  interval: Interval;
  /** Of the same model on the population. */
  truth: number;
  /** How much more the model's true kappa is than those of the baseline and of argmax. */
  overBaseline: number;
  overArgmax: number;
}

const { regression } = pipelineInputSchema.parse({});

/**
 * Fits and judges a set for each seed.
 * @param patients of each set, of whom three in ten are held out
 * @param population patients that the truth is taken from, other ones for every set
 */
export async function* coverageTrials(
  kind: Kind,
  seeds: number,
  patients: number,
  population: number,
): AsyncGenerator<Trial> {
  const everyone = simulateEyes(kind, 2 ** 31, population, () => 'test');
  const levels = everyone.map(eye => eye.level);
  const kappaOf = (stages: readonly number[]) => quadraticWeightedKappa(confusionMatrix(levels, stages))!;
  const baseline = kappaOf(everyone.map(baselineStage));
  const argmax = kappaOf(everyone.map(mostProbableStage));
  const settings = settingsOf(regression);
  const { rows } = buildFeatures(everyone, settings);
  for (let seed = 1; seed <= seeds; seed++) {
    const eyes = simulateEyes(kind, seed, patients, heldOut);
    const { model, predictions } = fitStages(eyes, settings, seed);
    const test = predictions.filter(eye => eye.fold === 'test');
    const kappa = kappaStatistic(
      test.map(eye => eye.level),
      test.map(eye => eye.predicted),
    );
    const { interval } = await bootstrapByPatient(
      test.map(eye => eye.patient),
      { interval: kappa },
      { seed },
    );
    const truth = kappaOf(rows.map(row => stageOf(predictLinear(model, row), model.cuts)));
    yield {
      seed,
      qwk: kappa(new Uint8Array(test.length).fill(1))!,
      interval: interval!,
      truth,
      overBaseline: truth - baseline,
      overArgmax: truth - argmax,
    };
  }
}

export function holdsTruth({ interval: [low, high], truth }: Pick<Trial, 'interval' | 'truth'>): boolean {
  return low <= truth && truth <= high;
}

/** The eyes of one set, for measuring time. */
export function wholeSet(patients: number): ScoredEye[] {
  return simulateEyes(COMPETITION, 1, patients, share => (share < 0.5 ? 'validation' : 'test'));
}
