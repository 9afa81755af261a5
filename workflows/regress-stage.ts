/** Stage 5: regresses the four predictions against the actual grade, and writes the report. */
import { z } from 'zod';
import type { ReportArgs, SplitWork } from '../activities/report/types.ts';
import { layoutsOf } from '../config/training.ts';
import { regressionActivities, reportActivities } from './activities.ts';
import { argumentOf, optional } from './handlers.ts';
import { trainingName } from './ids.ts';
import type { Progress } from './progress.ts';
import { asStage, listenToSteering, type StageResult, tellStage } from './stage.ts';
import { locate, required, type StageArgs } from './stage-input.ts';

export interface RegressArgs extends StageArgs {
  /** Facts about the run that only the parent knows. */
  account?: Pick<ReportArgs, 'work' | 'images'>;
}

const count = z.number();
/** Checks only the fields that the report cannot do without. */
const regressArgs = z.object({
  account: optional(
    z.object({
      work: z.looseObject({ stages: z.array(z.looseObject({})) }),
      images: z.object({ seen: count, quarantined: count }),
    }) as unknown as z.ZodType<NonNullable<RegressArgs['account']>>,
  ),
});

export interface RegressResult extends StageResult {
  /** `runs/<run>/report/` */
  report: string;
}

export async function regressStage(args: RegressArgs = {}): Promise<RegressResult> {
  const { account = accountOf([], new Map()) } = argumentOf(regressArgs, args);
  const { run, input, upstream } = await locate(args, 'regress');
  const { mayGoOn } = listenToSteering();
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
      stage: 'regress',
      inputs: { label, ...keys },
      parameters: { regression: input.regression, unit: input.folds.unit },
    },
    async ({ prefix, reason }) => {
      await mayGoOn();
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

  const { work, images } = account;
  const stages = [...work.stages, { name: 'regress', seconds: fitted.seconds, reused: fitted.reused }];
  await mayGoOn();
  const report = await reportActivities.writeReport.executeWithOptions({ summary: 'report.html, metrics.json' }, [
    { ...place, prefix: fitted.prefix, work: { ...work, stages }, images },
  ]);
  await tellStage('regress', { done: 2 });
  return { ...fitted, report: report.folder };
}

const COUNTS = ['segmentsTrained', 'segmentsReused', 'segmentsRepeated', 'iterationsLost', 'secondsLost'] as const;

/** Adds up the trainings (four heads share one) and the finished stages. */
export function accountOf(
  splits: Progress['splits'],
  results: ReadonlyMap<string, StageResult>,
): NonNullable<RegressArgs['account']> {
  const byName = new Map(splits.map(split => [split.name, split]));
  const trainings = [...byName.values()].map(({ name, segmentsTrained, segmentsReused, lost }) => ({
    ...{ name, segmentsTrained, segmentsReused, segmentsRepeated: lost.attempts },
    ...{ iterationsLost: lost.iterations, secondsLost: lost.seconds },
  }));
  const totals = Object.fromEntries(
    COUNTS.map(of => [of, trainings.reduce((total, training) => total + training[of], 0)]),
  ) as Omit<SplitWork, 'name'>;
  const { entries = 0, quarantined = 0, ignored } = results.get('prepare')?.counts ?? {};
  return {
    work: {
      stages: [...results].map(([name, { seconds, reused }]) => ({ name, seconds, reused })),
      attempts: totals.segmentsTrained + totals.segmentsReused + totals.segmentsRepeated,
      ...totals,
      splits: trainings,
    },
    images: { seen: entries, quarantined, ...(ignored !== undefined && { ignored }) },
  };
}
