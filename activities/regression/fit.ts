/** Fits the regression from four probabilities to a grade, on eyes that no network trained on. */
import { setImmediate } from 'node:timers/promises';
import { SPLITS } from '../../config/grades.ts';
import type { PipelineInput } from '../../config/input.ts';
import type { ScoredEye } from './eyes.ts';
import { buildFeatures, type FeatureOptions } from './features.ts';
import { type ChosenStrength, chooseStrength, fitRidge, type LinearModel, predictLinear } from './ridge.ts';
import { bestCuts, NATURAL_CUTS, stageOf } from './thresholds.ts';

export interface FittedModel extends LinearModel {
  features: string[];
  ridge: Pick<ChosenStrength, 'strength' | 'by'>;
  cuts: number[];
  cutsTuned: boolean;
}

/** Eye with the regression's prediction. */
export interface PredictedEye extends ScoredEye {
  /** Continuous score of the regression. */
  expected: number;
  /** Grade 0–4: `expected` after the thresholds. */
  predicted: number;
}

export type FitSettings = FeatureOptions & Pick<PipelineInput['regression'], 'ridge' | 'tuneCuts'>;

/** Returns the settings of the run's own regression: those of the input, with all four splits and the mean over the versions. */
export function settingsOf(regression: PipelineInput['regression']): FitSettings {
  return { ...regression, splits: SPLITS, meanOverVersions: true };
}

/** Model, and its predictions in the order of the eyes. */
interface Fit {
  model: FittedModel;
  predictions: PredictedEye[];
}

/**
 * Fits weights, ridge strength and thresholds on the validation eyes, and applies them to all eyes.
 * @param eyes of both folds, at least one of the validation fold
 */
export function fitStages(eyes: readonly ScoredEye[], settings: FitSettings, seed: number): Fit {
  const { names, rows } = buildFeatures(eyes, settings);
  const chosen = eyes.flatMap((eye, i) => (eye.fold === 'validation' ? [i] : []));
  const features = chosen.map(i => rows[i]!);
  const levels = chosen.map(i => eyes[i]!.level);
  const patients = chosen.map(i => eyes[i]!.patient);
  const { strength, by }: ChosenStrength =
    settings.ridge === 'auto'
      ? chooseStrength(features, levels, patients, seed)
      : { strength: settings.ridge, by: 'input' };
  const linear = fitRidge(features, levels, strength);
  const expected = rows.map(row => predictLinear(linear, row));
  const scores = chosen.map(i => expected[i]!);
  const cuts = settings.tuneCuts ? bestCuts(levels, scores) : [...NATURAL_CUTS];
  return {
    model: { ...linear, features: names, ridge: { strength, by }, cuts, cutsTuned: settings.tuneCuts },
    predictions: eyes.map((eye, i) => ({ ...eye, expected: expected[i]!, predicted: stageOf(expected[i]!, cuts) })),
  };
}

/**
 * Refits the regression on the first one, two, three and four splits. Each is fitted with and without the fellow eye and the mean over
 * versions. The first split is the one that was trained in 2015. One more fit uses all four splits with the spread of the versions.
 * Every fit uses the validation eyes, as the run's own does, and no result is used to choose anything. The loop yields before each
 * fit, so that heartbeats can be sent.
 */
export async function refit(
  eyes: readonly ScoredEye[],
  settings: PipelineInput['regression'],
  seed: number,
): Promise<(Fit & { options: FeatureOptions })[]> {
  const several = eyes.some(eye => eye.versions > 1);
  const options: FeatureOptions[] = [];
  for (let count = 1; count <= SPLITS.length; count++) {
    for (const fellowEye of [false, true]) {
      // With a single version per record there is no mean to take.
      for (const meanOverVersions of several ? [false, true] : [false]) {
        options.push({ splits: SPLITS.slice(0, count), fellowEye, spread: false, meanOverVersions });
      }
    }
  }
  if (several) options.push({ splits: SPLITS, fellowEye: false, spread: true, meanOverVersions: true });
  const refitted: (Fit & { options: FeatureOptions })[] = [];
  for (const option of options) {
    await setImmediate();
    const fit = fitStages(eyes, { ...option, ridge: settings.ridge, tuneCuts: settings.tuneCuts }, seed);
    refitted.push({ options: option, ...fit });
  }
  return refitted;
}
