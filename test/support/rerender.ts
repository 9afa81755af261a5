/**
 * Writes the report of a finished run again from what is stored, without running anything else:
 *
 *     node --import tsx test/support/rerender.ts OUT [FOLDER] [report.pictures=false]
 *
 * OUT is an out folder of `npm start`; the report is written in its store, and copied to FOLDER (default: OUT/report).
 */
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { MockActivityEnvironment } from '@temporalio/testing';
import { createRegressionActivities } from '../../activities/regression/index.ts';
import type { Metrics } from '../../activities/regression/metrics.ts';
import type { ReportArgs } from '../../activities/regression/types.ts';
import { readRecord } from '../../activities/run/records.ts';
import { copyReport } from '../../cli/copy-report.ts';
import { mergeInputs } from '../../config/merge.ts';
import { resolveInput } from '../../config/resolve.ts';
import { parseSetting } from '../../config/set.ts';
import { openStore } from '../../storage/open.ts';
import { testServices } from './services.ts';

const [out = 'run', folder = join(out, 'report'), ...settings] = process.argv.slice(2);
const state = JSON.parse(await readFile(join(out, 'state.json'), 'utf8')) as { run: string; store?: string };
const { run } = state;
const services = await testServices({ store: await openStore(state.store ?? `file:${resolve(out, 'store')}`) });
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
  await new MockActivityEnvironment().run(createRegressionActivities(services).writeReport, args);
  await copyReport(store, `runs/${run}/report/`, folder);
} finally {
  await services.close();
}
