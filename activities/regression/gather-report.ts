/** Everything the page shows, out of the store. */
import type { ArtifactStore } from '../../storage/store.ts';
import { readRecord } from '../run/records.ts';
import type { Tries } from '../run/tries.ts';
import type { Judgement, Metrics } from './metrics.ts';
import { findOtherFolds } from './other-folds.ts';
import { readQuarantine } from './quarantined.ts';
import type { ReportData } from './report/report-data.ts';
import { readSheet } from './sheet.ts';
import { readManifest } from './stored-files.ts';
import type { ReportArgs } from './types.ts';
import { readWorstEyes } from './worst-eyes.ts';

/** @param tables what was parsed of the files that are stored beside the page */
export async function gatherReport(
  store: ArtifactStore,
  args: ReportArgs,
  tables: Pick<ReportData, 'predictions' | 'curves' | 'suspects' | 'nearDuplicates'>,
): Promise<ReportData> {
  const { run, input, prefix, label } = args;
  const judgement = JSON.parse((await store.get(`${prefix}/regression.json`)).toString('utf8')) as Judgement;
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
      stages: args.work.stages.map(stage => ({ ...stage, ...triesIn(stageCounts[stage.name]) })),
    },
    versions: record?.versions ?? {},
  };
  // A run that an older release began has no such field.
  const pictures = input.report?.pictures ?? true;
  return {
    ...tables,
    metrics,
    input,
    stageCounts,
    sheet: pictures ? await readSheet(store, run) : null,
    worst: await readWorstEyes(store, label, tables.predictions, pictures),
    quarantine: await readQuarantine(store, label),
    otherFolds: await findOtherFolds(store, run, input),
    createdAt: record?.createdAt ?? null,
  };
}

/** A training counts what it has lost, by other rules, and no attempts. */
function triesIn(counts: Record<string, number> = {}): Tries | undefined {
  const { attempts, attemptsLost, secondsLost } = counts;
  if (attempts === undefined || attemptsLost === undefined || secondsLost === undefined) return undefined;
  return { attempts, attemptsLost, secondsLost };
}
