/** Stage 5: the four predictions regressed against the actual stage, and the report of how good that is. */
import { getIfThere, putBytes, putJson } from '../../storage/files.ts';
import { runFolder } from '../../storage/key-names.ts';
import { finalFailure } from '../failures.ts';
import { withHeartbeat } from '../heartbeat.ts';
import { HASH_BITS } from '../images/perceptual-hash.ts';
import type { ActivityServices } from '../services.ts';
import { type FoldRow, InconsistentScores, joinScores } from './eyes.ts';
import { fitStages, settingsOf } from './fit.ts';
import { countFolds, measureLeak, patientInSeveralFolds } from './fold-counts.ts';
import { gatherReport } from './gather-report.ts';
import { readHashes } from './hashes.ts';
import { judge } from './judge.ts';
import type { Judgement, NearDuplicateCounts } from './metrics.ts';
import { findNearDuplicates, hashedPictures, type NearDuplicate } from './near-duplicates.ts';
import { renderReport } from './report/page.ts';
import { readOutput, storeOver } from './stored-files.ts';
import { suspectLabels } from './suspect-labels.ts';
import {
  formatNearDuplicates,
  formatPredictions,
  formatSuspects,
  joinCurves,
  parseCurves,
  parseFolds,
  parseNearDuplicates,
  parsePredictions,
  parseScores,
  parseSuspects,
} from './tables.ts';
import type { FitArgs, FittedRegression, RegressionActivities, ReportArgs, WrittenReport } from './types.ts';

/**
 * Bits of a hash in which two pictures may differ and still be taken for the same. Saved again in another quality, size or brightness a
 * picture differs from itself in 3 (nine times in ten in at most 14); the closest of 125,000 pairs of different made-up eyes in 24.
 */
const NEAR = 16;

const SUSPECTS = 'suspect-labels.csv';
const DUPLICATES = 'near-duplicates.csv';

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
    const leaking = input.folds.unit === 'patient' ? patientInSeveralFolds(folds) : undefined;
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
    const judgement: Judgement = {
      schemaVersion: 1,
      source: input.source,
      folds: { ...countFolds(folds), unit: input.folds.unit, leak: measureLeak(folds) },
      ...judge(predictions, model, input.regression, input.folds.seed),
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
      regression: await putJson(store, `${prefix}/regression.json`, judgement),
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

  /** Undefined where the pictures were prepared without hashes. */
  async function searchDuplicates(
    label: string,
    folds: readonly FoldRow[],
  ): Promise<{ counts: NearDuplicateCounts; listed: NearDuplicate[] } | undefined> {
    const pictures = hashedPictures(folds, await readHashes(store, label));
    if (pictures.length === 0) return undefined;
    const { listed, pairs, trainTest } = findNearDuplicates(pictures, NEAR);
    return { listed, counts: { pictures: pictures.length, pairs, trainTest, distance: NEAR, bits: HASH_BITS } };
  }

  async function writeReport(args: ReportArgs): Promise<WrittenReport> {
    const { run, prefix } = args;
    const predictionsCsv = await store.get(`${prefix}/predictions.csv`);
    const curvesCsv = joinCurves(await Promise.all(args.trainings.map(key => readOutput(store, key, 'curves.csv'))));
    // A regression that an older release made has none of them.
    const lists = new Map<string, Buffer>();
    for (const name of [SUSPECTS, DUPLICATES]) {
      const list = await getIfThere(store, `${prefix}/${name}`);
      if (list !== undefined) lists.set(name, list);
    }
    const [suspects, duplicates] = [lists.get(SUSPECTS), lists.get(DUPLICATES)];
    const data = await gatherReport(store, args, {
      predictions: parsePredictions(predictionsCsv),
      curves: parseCurves(curvesCsv),
      suspects: suspects ? parseSuspects(suspects) : [],
      nearDuplicates: duplicates ? parseNearDuplicates(duplicates) : [],
    });
    const { metrics } = data;
    const contents: [string, string | Uint8Array][] = [
      ['curves.csv', curvesCsv],
      ['predictions.csv', predictionsCsv],
      ...lists,
      ['metrics.json', `${JSON.stringify(metrics, null, 2)}\n`],
      // Last: whoever sees the page finds everything that belongs to it.
      ['report.html', renderReport(data)],
    ];
    const folder = `${runFolder(run)}/report/`;
    const files: WrittenReport['files'] = {};
    for (const [name, content] of contents) {
      files[name] = await storeOver(store, `${folder}${name}`, content);
    }
    log.info({ run }, 'report written');
    return { folder, files };
  }

  return {
    fitRegression: args => withHeartbeat(() => asFinal(() => fitRegression(args))),
    writeReport: args => withHeartbeat(() => asFinal(() => writeReport(args))),
  };
}

/** Files that contradict each other do not come right by trying again. */
async function asFinal<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof InconsistentScores) {
      throw finalFailure('Defect', `${error.message}. Run again with --fresh, which uses nothing made before`, error);
    }
    throw error;
  }
}
