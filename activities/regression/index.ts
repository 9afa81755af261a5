/** Stage 5: the four predictions regressed against the actual stage, and the report of how good that is. */
import { putBytes, putJson } from '../../storage/files.ts';
import { runFolder } from '../../storage/key-names.ts';
import { finalFailure } from '../failures.ts';
import { withHeartbeat } from '../heartbeat.ts';
import { readRecord } from '../run/records.ts';
import type { ActivityServices } from '../services.ts';
import { InconsistentScores, joinScores } from './eyes.ts';
import { fitStages } from './fit.ts';
import { countFolds, measureLeak } from './fold-counts.ts';
import { judge } from './judge.ts';
import type { Judgement, Metrics } from './metrics.ts';
import { renderReport } from './report/page.ts';
import type { ReportData } from './report/report-data.ts';
import { readSheet } from './sheet.ts';
import { readManifest, readOutput, storeOver } from './stored-files.ts';
import { formatPredictions, joinCurves, parseCurves, parseFolds, parsePredictions, parseScores } from './tables.ts';
import type { FitArgs, FittedRegression, RegressionActivities, ReportArgs, WrittenReport } from './types.ts';

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
    const tables = [];
    for (const training of args.trainings) {
      tables.push(parseScores(await readOutput(store, training, 'scores.csv'), `${training}/scores.csv`));
    }
    const eyes = joinScores(folds, tables);
    const { model, predictions } = fitStages(eyes, input.regression, input.folds.seed);
    const judgement: Judgement = {
      schemaVersion: 1,
      source: input.source,
      folds: { ...countFolds(folds), unit: input.folds.unit, leak: measureLeak(folds) },
      ...judge(predictions, model, input.folds.seed),
    };
    const fitted: FittedRegression = {
      regression: await putJson(store, `${prefix}/regression.json`, judgement),
      predictions: await putBytes(store, `${prefix}/predictions.csv`, formatPredictions(predictions)),
      qwk: judgement.regression.qwk,
      baselineQwk: judgement.baseline.qwk,
      auc: judgement.splits.map(split => split.auc),
      eyes: predictions.filter(eye => eye.fold === 'test').length,
    };
    log.info({ run: args.run, qwk: fitted.qwk, eyes: fitted.eyes }, 'regression fitted');
    return fitted;
  }

  async function writeReport(args: ReportArgs): Promise<WrittenReport> {
    const { run, input, prefix } = args;
    const predictionsCsv = await store.get(`${prefix}/predictions.csv`);
    const judgement = JSON.parse((await store.get(`${prefix}/regression.json`)).toString('utf8')) as Judgement;
    const curvesCsv = joinCurves(await Promise.all(args.trainings.map(key => readOutput(store, key, 'curves.csv'))));
    const record = await readRecord(store, run);
    const stageCounts: ReportData['stageCounts'] = {};
    for (const [name, { stage, key }] of Object.entries(record?.stages ?? {})) {
      const manifest = await readManifest(store, `stages/${stage}/${key}`);
      if (manifest !== undefined) stageCounts[name] = manifest.counts;
    }
    const metrics: Metrics = {
      ...judgement,
      run,
      // Equal pictures from elsewhere share the regression: where these came from is this run's to say.
      source: input.source,
      images: args.images,
      work: {
        seconds: Object.fromEntries(args.work.stages.map(stage => [stage.name, stage.seconds])),
        ...args.work,
      },
      versions: record?.versions ?? {},
    };
    const html = renderReport({
      metrics,
      input,
      predictions: parsePredictions(predictionsCsv),
      curves: parseCurves(curvesCsv),
      stageCounts,
      sheet: await readSheet(store, run),
      createdAt: record?.createdAt ?? null,
    });
    const contents: [string, string | Uint8Array][] = [
      ['curves.csv', curvesCsv],
      ['predictions.csv', predictionsCsv],
      ['metrics.json', `${JSON.stringify(metrics, null, 2)}\n`],
      // Last: whoever sees the page finds everything that belongs to it.
      ['report.html', html],
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
