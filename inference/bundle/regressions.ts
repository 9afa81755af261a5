/** Fits the run's regression with and without the fellow eye, as a user of the model may have one eye or both. */
import { joinScores } from '../../activities/regression/eyes.ts';
import { type FittedModel, fitStages, settingsOf } from '../../activities/regression/fit.ts';
import { readOutput } from '../../activities/regression/stored-files.ts';
import { parseFolds, parseScores } from '../../activities/regression/tables.ts';
import type { ArtifactStore } from '../../storage/store.ts';
import { type TrainedRun, UnusableRun } from '../trained-run.ts';

/** `regression.json` of a bundle. */
export interface Regressions {
  schemaVersion: 1;
  /** Regression of the run's figures. */
  own: 'alone' | 'withFellowEye';
  alone: FittedModel;
  /** Features `fellow.p0` … `fellow.p3` are the other eye's `p0` … `p3`, or the eye's own where there is no other. */
  withFellowEye: FittedModel;
}

/** Fits both on the validation fold, as the run did. @throws UnusableRun when the fit differs from the run's own regression */
export async function fitRegressions(store: ArtifactStore, run: TrainedRun): Promise<Regressions> {
  const { input, prefixes, networks, metrics } = run;
  const folds = parseFolds(await readOutput(store, prefixes.label!, 'folds.csv'));
  const tables = [];
  for (const { name } of networks) {
    tables.push(parseScores(await readOutput(store, prefixes[name]!, 'scores.csv'), `${prefixes[name]}/scores.csv`));
  }
  const eyes = joinScores(folds, tables);
  const refit = (fellowEye: boolean) =>
    fitStages(eyes, { ...settingsOf(input.regression), fellowEye }, input.folds.seed).model;
  const [alone, withFellowEye] = [refit(false), refit(true)];
  const own = input.regression.fellowEye ? 'withFellowEye' : 'alone';
  const { weights, intercept } = own === 'alone' ? alone : withFellowEye;
  const before = metrics.regression;
  const differs = [...weights, intercept].some(
    (value, i) => Math.abs(value - ([...before.weights, before.intercept][i] ?? Number.NaN)) > 1e-9,
  );
  if (differs) {
    throw new UnusableRun(
      `Expected the regression of run ${run.run} to come out as its report has it, got other weights: another release made it; run it again`,
    );
  }
  return { schemaVersion: 1, own, alone, withFellowEye };
}
