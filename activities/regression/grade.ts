/** From what the networks say of an eye's versions to its stage: the run's own averaging, features, regression and cuts. Pure. */

import type { PipelineInput } from '../../config/input.ts';
import { stageOf } from './cuts.ts';
import type { ScoredEye } from './eyes.ts';
import { buildFeatures } from './features.ts';
import { type FittedModel, settingsOf } from './fit.ts';
import { stageProbabilities } from './monotone.ts';
import { predictLinear } from './ridge.ts';

/** What turns an eye's probabilities into a stage. */
export type StageModel = Pick<FittedModel, 'features' | 'weights' | 'intercept' | 'cuts'>;

export interface GradedEye extends ScoredEye {
  /** The regression's continuous stage. */
  expected: number;
  /** `expected` cut into stages 0–4. */
  predicted: number;
  /** P(stage = 0) … P(stage = 4) from the four P(stage > k), made to fall first. */
  stages: number[];
}

/**
 * @param eyes all that are graded together: fellow eyes find each other by their names, `<patient>_left` and `<patient>_right`
 * @param regression settings that the model was fitted with
 * @throws TypeError when the model has other features than the settings give
 */
export function gradeEyes(
  eyes: readonly ScoredEye[],
  model: StageModel,
  regression: PipelineInput['regression'],
): GradedEye[] {
  const { names, rows } = buildFeatures(eyes, settingsOf(regression));
  if (names.join() !== model.features.join()) {
    throw new TypeError(`Expected the regression to use ${names.join(', ')}, got one of ${model.features.join(', ')}`);
  }
  return eyes.map((eye, i) => {
    const expected = predictLinear(model, rows[i]!);
    return { ...eye, expected, predicted: stageOf(expected, model.cuts), stages: stageProbabilities(eye.p) };
  });
}
