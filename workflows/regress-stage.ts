/** Stage 5: the four predictions regressed against the actual stage, and the report. */
import type { ReportArgs } from '../activities/regression/types.ts';
import { layoutsOf } from '../config/layouts.ts';
import { trainingName } from './names.ts';
import { regressionActivities } from './proxies.ts';
import { RECIPES } from './recipes.ts';
import { asStage, listenToSteering, type StageResult, tellStage } from './stage.ts';
import { locate, required, type StageArgs } from './standalone.ts';

export interface RegressArgs extends StageArgs {
  /** What only the parent knows of the run. */
  account?: Pick<ReportArgs, 'work' | 'images'>;
}

export interface RegressResult extends StageResult {
  /** `runs/<run>/report/` */
  report: string;
}

const NO_ACCOUNT: NonNullable<RegressArgs['account']> = {
  work: {
    stages: [],
    attempts: 0,
    segmentsTrained: 0,
    segmentsReused: 0,
    segmentsRepeated: 0,
    iterationsLost: 0,
    secondsLost: 0,
    splits: [],
  },
  images: { seen: 0, quarantined: 0 },
};

export async function regressStage(args: RegressArgs = {}): Promise<RegressResult> {
  const { run, input, upstream } = await locate(args, 'regress');
  listenToSteering();
  const heads = layoutsOf(input.training);
  const label = required(upstream, 'label', run);
  const keys = Object.fromEntries(heads.map(trainingName).map(name => [name, required(upstream, name, run)]));
  const place = {
    run,
    label: `stages/label/${label}`,
    trainings: Object.values(keys).map(key => `stages/train/${key}`),
    input,
  };
  await tellStage('regress', { of: 2 });

  const fitted = await asStage(
    {
      run,
      name: 'regress',
      stage: 'regress',
      recipe: RECIPES.regress,
      inputs: { label, ...keys },
      parameters: { regression: input.regression, unit: input.folds.unit },
    },
    async ({ prefix, reason }) => {
      const { regression, predictions, lists, ...figures } =
        await regressionActivities.fitRegression.executeWithOptions(
          { summary: 'fit on the validation fold, judge on the test fold' },
          [{ ...place, prefix }],
        );
      await tellStage('regress', { reason });
      const counts: Record<string, number> = { eyes: figures.eyes };
      if (figures.qwk !== null) counts.qwk = figures.qwk;
      if (figures.baselineQwk !== null) counts.baselineQwk = figures.baselineQwk;
      for (const [k, auc] of figures.auc.entries()) if (auc !== null) counts[`auc${k}`] = auc;
      return { outputs: { 'regression.json': regression, 'predictions.csv': predictions, ...lists }, counts };
    },
  );
  await tellStage('regress', { done: 1, counts: fitted.counts });

  const { work, images } = args.account ?? NO_ACCOUNT;
  const stages = [...work.stages, { name: 'regress', seconds: fitted.seconds, reused: fitted.reused }];
  const report = await regressionActivities.writeReport.executeWithOptions({ summary: 'report.html, metrics.json' }, [
    { ...place, prefix: fitted.prefix, work: { ...work, stages }, images },
  ]);
  await tellStage('regress', { done: 2 });
  return { ...fitted, report: report.folder };
}
