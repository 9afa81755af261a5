/** Gathers the data of the page from the store. */
import sharp from 'sharp';
import { splitName } from '../../config/grades.ts';
import type { PipelineInput } from '../../config/input.ts';
import { readManifest } from '../../storage/stage-outputs.ts';
import type { ArtifactStore } from '../../storage/store.ts';
import type { Judgement } from '../regression/metrics.ts';
import { readOutput, readQuarantine } from '../regression/stored-files.ts';
import type { CurvePoint } from '../regression/tables.ts';
import { readWorstEyes } from '../regression/worst-errors.ts';
import type { Tries } from '../run/attempt-counts.ts';
import { needRecord } from '../run/records.ts';
import { readReportFile } from '../run/report-files.ts';
import type { SplitProgress } from '../run/types.ts';
import type { ReportData, RunData } from './report-data.ts';
import type { Metrics, ReportArgs, RunProgress } from './types.ts';

/** Gathers the data of a finished run. @param tables parsed from the files that are stored next to the page */
export async function gatherReport(
  store: ArtifactStore,
  args: ReportArgs,
  tables: Pick<ReportData, 'predictions' | 'curves' | 'suspects' | 'nearDuplicates'>,
): Promise<ReportData> {
  const { input, prefix, label } = args;
  const judgement = JSON.parse((await readOutput(store, prefix, 'regression.json')).toString('utf8')) as Judgement;
  const { stages, ...common } = await gatherRun(store, args.run, args.input);
  const { run, versions } = common;
  const stageCounts: ReportData['stageCounts'] = {};
  for (const [name, { stage, key }] of Object.entries(stages)) {
    const manifest = await readManifest(store, `stages/${stage}/${key}`);
    if (manifest !== undefined) stageCounts[name] = manifest.counts;
  }
  const metrics: Metrics = {
    ...judgement,
    run,
    // Runs with equal images from different sources share the regression, so the source is taken from this run's input.
    source: input.source,
    images: args.images,
    work: {
      seconds: Object.fromEntries(args.work.stages.map(stage => [stage.name, stage.seconds])),
      ...args.work,
      stages: args.work.stages.map(stage => ({ ...stage, ...triesIn(stageCounts[stage.name]) })),
    },
    versions,
  };
  return {
    ...tables,
    ...common,
    input,
    progress: null,
    metrics,
    stageCounts,
    worst: await readWorstEyes(store, label, tables.predictions, input.report.pictures),
    quarantine: await readQuarantine(store, label),
  };
}

/** Gathers the data of a run without results. */
export async function gatherProgress(store: ArtifactStore, run: string, progress: RunProgress): Promise<RunData> {
  const { stages, ...common } = await gatherRun(store, run);
  return { ...common, curves: progress.splits.flatMap(curvesOf), progress };
}

async function gatherRun(store: ArtifactStore, run: string, given?: PipelineInput) {
  const { input: recorded, versions, createdAt, stages } = await needRecord(store, run);
  const input = given ?? recorded;
  return { run, input, versions, createdAt, stages, sheet: await readSheet(store, run, input) };
}

function curvesOf({ k, curve }: SplitProgress): CurvePoint[] {
  return curve.flatMap(({ epoch, loss, validationLoss, auc, trainingAuc }) =>
    Object.entries({
      loss,
      'validation loss': validationLoss,
      'validation auc': auc,
      'training auc': trainingAuc,
    }).flatMap(([metric, value]) =>
      value == null ? [] : [{ split: splitName(k), epoch, iteration: epoch, metric, value, attempt: 1 }],
    ),
  );
}

/** Reads the run's contact sheet and compresses it as a JPEG for the page, to a tenth of the PNG's bytes. */
async function readSheet(store: ArtifactStore, run: string, { report }: PipelineInput): Promise<RunData['sheet']> {
  const png = report.pictures ? await readReportFile(store, run, 'augmentation.png') : undefined;
  if (png === undefined) return null;
  const { data, info } = await sharp(png)
    .jpeg({ quality: 82, chromaSubsampling: '4:4:4' })
    .toBuffer({ resolveWithObject: true });
  return { jpeg: data, width: info.width, height: info.height };
}

/** Returns the attempt counts of a stage; undefined for a training, which counts its lost work by other rules and has no attempts. */
function triesIn(counts: Record<string, number> = {}): Tries | undefined {
  const { attempts, attemptsLost, secondsLost } = counts;
  if (attempts === undefined || attemptsLost === undefined || secondsLost === undefined) return undefined;
  return { attempts, attemptsLost, secondsLost };
}
