/** What each idea bought: the regression fitted again with less, and with more. */
import type { PipelineInput } from '../../config/input.ts';
import type { ScoredEye } from './eyes.ts';
import type { FeatureOptions } from './features.ts';
import { type Fit, fitModel } from './fit.ts';
import { SPLITS } from './split-names.ts';

export interface RefittedRegression extends Fit {
  options: FeatureOptions;
}

/**
 * The regression on the first one, two, three and four splits (the first is the one that was trained in 2015), each with and without the
 * fellow eye and the mean over versions, and on all four with the spread of the versions. Everything is fitted on the validation eyes,
 * as the run's own is; nothing is chosen by what comes out here.
 */
export function refit(
  eyes: readonly ScoredEye[],
  settings: PipelineInput['regression'],
  seed: number,
): RefittedRegression[] {
  const several = eyes.some(eye => eye.versions > 1);
  const options: FeatureOptions[] = [];
  for (let count = 1; count <= SPLITS.length; count++) {
    for (const fellowEye of [false, true]) {
      // Where a record is one version there is nothing to take the mean of.
      for (const meanOverVersions of several ? [false, true] : [false]) {
        options.push({ splits: SPLITS.slice(0, count), fellowEye, spread: false, meanOverVersions });
      }
    }
  }
  if (several) options.push({ splits: SPLITS, fellowEye: false, spread: true, meanOverVersions: true });
  return options.map(option => ({
    options: option,
    ...fitModel(eyes, { ...option, ridge: settings.ridge, tuneCuts: settings.tuneCuts }, seed),
  }));
}
