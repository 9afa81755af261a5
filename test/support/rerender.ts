/**
 * Writes the report of a finished run again from what is stored, without running anything else:
 *
 *     node --import tsx test/support/rerender.ts OUT [FOLDER] [report.pictures=false]
 *
 * OUT is an out folder of `npm start`; the report is written in its store, and copied to FOLDER (default: OUT/report).
 */
import { join } from 'node:path';
import { MockActivityEnvironment } from '@temporalio/testing';
import { createReportActivities } from '../../activities/report/index.ts';
import type { Metrics, ReportArgs } from '../../activities/report/types.ts';
import { readRecord } from '../../activities/run/records.ts';
import { openStoreOf } from '../../cli/local/resolve-store.ts';
import { readOutState } from '../../cli/local/run-dir.ts';
import { copyReport } from '../../cli/results/copy-report.ts';
import { mergeInputs, parseSetting } from '../../config/merge.ts';
import { resolveInput } from '../../config/resolve.ts';
import { testServices } from './services.ts';

const [out = 'run', folder = join(out, 'report'), ...settings] = process.argv.slice(2);
const state = await readOutState(out);
if (!state) throw new Error(`Expected ${out} to be the out folder of a run, got none`);
const { run } = state;
const services = await testServices({ store: await openStoreOf(state) });
try {
  const { store } = services;
  const record = await readRecord(store, run);
  if (!record) throw new Error(`Expected a run ${run} in ${store.url}, got none`);
  const { work, images } = JSON.parse((await store.get(`runs/${run}/report/metrics.json`)).toString()) as Metrics;
  const given = settings.map(parseSetting).reduce(mergeInputs, record.input);
  const key = (name: string) => `stages/${record.stages[name]!.stage}/${record.stages[name]!.key}`;
  const trainings = Object.keys(record.stages).filter(name => name.startsWith('train-'));
  const args: ReportArgs = {
    ...{ run, work, images, input: resolveInput(given) },
    ...{ prefix: key('regress'), label: key('label'), trainings: trainings.sort().map(key) },
  };
  await new MockActivityEnvironment().run(createReportActivities(services).writeReport, args);
  await copyReport(store, run, folder);
} finally {
  await services.close();
}
