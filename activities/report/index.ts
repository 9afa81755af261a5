/** Writes the report of a run: the page, `metrics.json` and the tables. */
import { getArtifact } from '../../storage/artifacts.ts';
import { runFolder } from '../../storage/key-syntax.ts';
import { needManifest } from '../../storage/stage-outputs.ts';
import type { ActivityServices } from '../dependencies.ts';
import { withHeartbeats } from '../heartbeat.ts';
import { asFinal, readOutput } from '../regression/stored-files.ts';
import {
  DUPLICATES,
  joinCurves,
  parseCurves,
  parseNearDuplicates,
  parsePredictions,
  parseSuspects,
  SUSPECTS,
} from '../regression/tables.ts';
import { storePassingFile, storeReportFile } from '../run/report-files.ts';
import { gatherProgress, gatherReport } from './gather-report.ts';
import { renderReport } from './page.ts';
import type { ReportActivities, ReportArgs, WrittenReport } from './types.ts';

export function createReportActivities({ store, log }: ActivityServices): ReportActivities {
  async function writeReport(args: ReportArgs): Promise<WrittenReport> {
    const { run, prefix } = args;
    const predictionsCsv = await readOutput(store, prefix, 'predictions.csv');
    const curvesCsv = joinCurves(await Promise.all(args.trainings.map(key => readOutput(store, key, 'curves.csv'))));
    const suspects = await readOutput(store, prefix, SUSPECTS);
    // The file is missing where no image has a hash.
    const listed = (await needManifest(store, prefix)).outputs[DUPLICATES];
    const duplicates = listed && (await getArtifact(store, listed));
    const data = await gatherReport(store, args, {
      predictions: parsePredictions(predictionsCsv),
      curves: parseCurves(curvesCsv),
      suspects: parseSuspects(suspects),
      nearDuplicates: duplicates ? parseNearDuplicates(duplicates) : [],
    });
    const { metrics } = data;
    const contents: [string, string | Uint8Array][] = [
      ['curves.csv', curvesCsv],
      ['predictions.csv', predictionsCsv],
      [SUSPECTS, suspects],
      ...(duplicates ? [[DUPLICATES, duplicates] as [string, Buffer]] : []),
      ['metrics.json', `${JSON.stringify(metrics, null, 2)}\n`],
      // Written last, so that a visible page has all the files it refers to.
      ['report.html', renderReport(data)],
    ];
    const folder = `${runFolder(run)}/report/`;
    const files: WrittenReport['files'] = {};
    for (const [name, content] of contents) {
      files[name] = await storeReportFile(store, run, name, content);
    }
    log.info({ run }, 'report written');
    return { folder, files };
  }

  return withHeartbeats<ReportActivities>({
    writeReport: args => asFinal(() => writeReport(args)),
    writeProgressPage: async ({ run, progress }) => {
      const page = renderReport(await gatherProgress(store, run, progress));
      await storePassingFile(store, run, 'report.html', page);
    },
  });
}
