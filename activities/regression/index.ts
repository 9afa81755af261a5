/** Stage 5: fits the regression of the four predictions against the actual grade, and evaluates it. */
import { putBytes } from '../../storage/artifacts.ts';
import type { ActivityServices } from '../dependencies.ts';
import { finalFailure } from '../failures.ts';
import { withHeartbeats } from '../heartbeat.ts';
import { HASH_BITS } from '../images/perceptual-hash.ts';
import { countFolds, patientsInSeveralFolds } from '../labels/folds.ts';
import { judge } from './evaluate.ts';
import { type FoldRow, joinScores, measureLeak } from './eyes.ts';
import { fitStages, settingsOf } from './fit.ts';
import type { Judgement, NearDuplicateCounts } from './metrics.ts';
import { findNearDuplicates, hashedPictures, type NearDuplicate } from './near-duplicates.ts';
import { asFinal, readHashes, readOutput } from './stored-files.ts';
import { suspectLabels } from './suspect-labels.ts';
import {
  DUPLICATES,
  formatNearDuplicates,
  formatPredictions,
  formatSuspects,
  parseFolds,
  parseScores,
  SUSPECTS,
} from './tables.ts';
import type { FitArgs, FittedRegression, RegressionActivities } from './types.ts';

/**
 * Maximum number of hash bits in which two near-identical images differ. Measured: an image that is saved again with another quality,
 * size or brightness differs from itself in 3 bits. Nine times in ten it differs in at most 14. The closest of 125,000 pairs of
 * different synthetic eyes differs in 24.
 */
const NEAR = 16;

export function createRegressionActivities({ store, log }: ActivityServices): RegressionActivities {
  async function fitRegression(args: FitArgs): Promise<FittedRegression> {
    const { input, prefix } = args;
    const folds = parseFolds(await readOutput(store, args.label, 'folds.csv'));
    if (!folds.some(row => row.fold === 'validation')) {
      throw finalFailure(
        'BadInput',
        'Expected eyes in the validation fold to fit the regression on, got none. Raise `folds.validation` or give more pictures',
      );
    }
    const [leaking] = input.folds.unit === 'patient' ? patientsInSeveralFolds(folds) : [];
    if (leaking !== undefined) {
      throw finalFailure(
        'BadInput',
        `Expected all pictures of a patient in one fold, got patient ${leaking} in several of ${args.label}/folds.csv: every figure would be too good. Deal the folds again with --fresh`,
      );
    }
    const tables = [];
    for (const training of args.trainings) {
      tables.push(parseScores(await readOutput(store, training, 'scores.csv'), `${training}/scores.csv`));
    }
    const eyes = joinScores(folds, tables);
    const { model, predictions } = fitStages(eyes, settingsOf(input.regression), input.folds.seed);
    const suspects = suspectLabels(predictions);
    const radar = await searchDuplicates(args.label, folds);
    const eyesIn = folds.map(({ level, ...row }) => ({ ...row, stage: level }));
    const judgement: Judgement = {
      schemaVersion: 1,
      source: input.source,
      folds: { ...countFolds(eyesIn), unit: input.folds.unit, leak: measureLeak(folds) },
      ...(await judge(predictions, model, input.regression, input.folds.seed)),
      suspectLabels: { eyes: suspects.length, of: predictions.length },
      nearDuplicates: radar?.counts ?? null,
    };
    const perRecord = predictions.some(eye => eye.version !== null);
    const lists: FittedRegression['lists'] = {
      [SUSPECTS]: await putBytes(store, `${prefix}/${SUSPECTS}`, formatSuspects(suspects, perRecord)),
    };
    if (radar) {
      lists[DUPLICATES] = await putBytes(store, `${prefix}/${DUPLICATES}`, formatNearDuplicates(radar.listed));
    }
    const fitted: FittedRegression = {
      regression: await putBytes(store, `${prefix}/regression.json`, `${JSON.stringify(judgement, null, 2)}\n`),
      predictions: await putBytes(store, `${prefix}/predictions.csv`, formatPredictions(predictions)),
      lists,
      qwk: judgement.regression.qwk,
      baselineQwk: judgement.baseline.qwk,
      auc: judgement.splits.map(split => split.auc),
      eyes: predictions.filter(eye => eye.fold === 'test').length,
    };
    log.info({ run: args.run, qwk: fitted.qwk, eyes: fitted.eyes }, 'regression fitted');
    return fitted;
  }

  /** Finds near-duplicate images. Returns undefined where the images were prepared without hashes. */
  async function searchDuplicates(
    label: string,
    folds: readonly FoldRow[],
  ): Promise<{ counts: NearDuplicateCounts; listed: NearDuplicate[] } | undefined> {
    const pictures = hashedPictures(folds, await readHashes(store, label));
    if (pictures.length === 0) return undefined;
    const { listed, pairs, trainTest } = await findNearDuplicates(pictures, NEAR);
    return { listed, counts: { pictures: pictures.length, pairs, trainTest, distance: NEAR, bits: HASH_BITS } };
  }

  return withHeartbeats<RegressionActivities>({
    fitRegression: args => asFinal(() => fitRegression(args)),
  });
}
