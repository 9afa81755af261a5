/** Fits the way from four probabilities to a stage, on eyes that no network trained on. */
import type { PipelineInput } from '../../config/input.ts';
import { bestCuts, NATURAL_CUTS, stageOf } from './cuts.ts';
import type { ScoredEye } from './eyes.ts';
import { buildFeatures, type FeatureOptions } from './features.ts';
import { fitRidge, type LinearModel, predictLinear } from './ridge.ts';
import { type ChosenStrength, chooseStrength } from './ridge-strength.ts';
import { SPLITS } from './split-names.ts';

export interface FittedModel extends LinearModel {
  features: string[];
  ridge: Pick<ChosenStrength, 'strength' | 'by'>;
  cuts: number[];
  cutsTuned: boolean;
}

/** An eye with what the regression makes of it. */
export interface PredictedEye extends ScoredEye {
  /** The regression's continuous stage. */
  expected: number;
  /** `expected` cut into stages 0–4. */
  predicted: number;
}

export type FitSettings = FeatureOptions & Pick<PipelineInput['regression'], 'ridge' | 'tuneCuts'>;

/** The regression that the input asks for: all four splits, mean over the versions. */
export function settingsOf(regression: PipelineInput['regression']): FitSettings {
  return { ...regression, splits: SPLITS, meanOverVersions: true };
}

/** A model and what it says of each eye, in their order. */
export interface Fit {
  model: FittedModel;
  expected: number[];
  predicted: number[];
}

/**
 * Fits weights, ridge strength and cuts on the validation eyes, and applies them to all.
 * @param eyes of both folds; at least one of validation
 */
export function fitModel(eyes: readonly ScoredEye[], settings: FitSettings, seed: number): Fit {
  const { names, rows } = buildFeatures(eyes, settings);
  const chosen = eyes.flatMap((eye, i) => (eye.fold === 'validation' ? [i] : []));
  const features = chosen.map(i => rows[i]!);
  const levels = chosen.map(i => eyes[i]!.level);
  const ridge: ChosenStrength =
    settings.ridge === 'auto'
      ? chooseStrength(
          features,
          levels,
          chosen.map(i => eyes[i]!.patient),
          seed,
        )
      : { strength: settings.ridge, by: 'input', tried: [] };
  const linear = fitRidge(features, levels, ridge.strength);
  const expected = rows.map(row => predictLinear(linear, row));
  const cuts = settings.tuneCuts
    ? bestCuts(
        levels,
        chosen.map(i => expected[i]!),
      )
    : [...NATURAL_CUTS];
  return {
    model: {
      ...linear,
      features: names,
      ridge: { strength: ridge.strength, by: ridge.by },
      cuts,
      cutsTuned: settings.tuneCuts,
    },
    expected,
    predicted: expected.map(value => stageOf(value, cuts)),
  };
}

/** `fitModel`, with what it says joined to the eyes. */
export function fitStages(
  eyes: readonly ScoredEye[],
  settings: FitSettings,
  seed: number,
): { model: FittedModel; predictions: PredictedEye[] } {
  const { model, expected, predicted } = fitModel(eyes, settings, seed);
  return {
    model,
    predictions: eyes.map((eye, i) => ({ ...eye, expected: expected[i]!, predicted: predicted[i]! })),
  };
}
