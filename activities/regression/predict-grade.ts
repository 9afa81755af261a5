/** Predicts the grade of eyes from the networks' scores, with the run's own features, regression and thresholds. Pure. */
import type { PipelineInput } from '../../config/input.ts';
import type { ScoredEye } from './eyes.ts';
import { buildFeatures } from './features.ts';
import { type FittedModel, type PredictedEye, settingsOf } from './fit.ts';
import { predictLinear } from './ridge.ts';
import { stageOf } from './thresholds.ts';

/** Part of a fitted model that maps an eye's probabilities to a grade. */
export type StageModel = Pick<FittedModel, 'features' | 'weights' | 'intercept' | 'cuts'>;

export interface GradedEye extends PredictedEye {
  /** P(y = 0) … P(y = 4) from the four P(y>k), after an isotonic fit. */
  stages: number[];
}

/**
 * Predicts the grades of eyes.
 * @param eyes all eyes to grade; fellow eyes are matched by their names, `<patient>_left` and `<patient>_right`
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

/**
 * Returns the nearest non-increasing sequence (least squares), by pooling adjacent violators. Four independent networks may give
 * P(y>1) > P(y>0), which is impossible.
 * @param p P(y>0), P(y>1), …
 */
export function fallingProbabilities(p: ArrayLike<number>): number[] {
  const blocks: { sum: number; size: number }[] = [];
  for (let k = 0; k < p.length; k++) {
    let block = { sum: p[k]!, size: 1 };
    for (let last = blocks.at(-1); last !== undefined; last = blocks.at(-1)) {
      if (last.sum / last.size >= block.sum / block.size) break;
      blocks.pop();
      block = { sum: last.sum + block.sum, size: last.size + block.size };
    }
    blocks.push(block);
  }
  return blocks.flatMap(({ sum, size }) => new Array<number>(size).fill(sum / size));
}

/** Returns P(y = 0) … P(y = 4) from the four P(y>k) (Frank and Hall 2001), after an isotonic fit. They sum to 1. */
export function stageProbabilities(p: ArrayLike<number>): number[] {
  const above = [1, ...fallingProbabilities(p), 0];
  return above.slice(0, -1).map((probability, k) => probability - above[k + 1]!);
}
