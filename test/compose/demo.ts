/** The demo on the installation of docker-compose.yml: calm once, then with one service after the other killed; the results must be the same. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { compareOutcomes, type Outcome, outcomeOf } from '../../cli/chaos/outcome.ts';
import { duration } from '../../lib/format.ts';
import { TINY } from '../support/tiny.ts';
import type { Stack } from './stack.ts';

const LOOPBACK = /^127\.0\.0\.1:\d+$/;
const MONTH_SECONDS = 30 * 24 * 3600;
const AWAY_MS = 5_000;
const START = ['workflow', 'start', '--type', 'retinopathyPipeline', '--task-queue', 'retinopathy'];

/** As many segments as the demo, in a fraction of its time. */
const SMALL = JSON.stringify({ ...TINY, training: { ...TINY.training, epochs: 4 } });

/** In turn, each when so many of the 32 segments are trained. */
const DEATHS = [
  { service: 'caffe-cpu-worker', segments: 2 },
  { service: 'temporal', segments: 8 },
  { service: 'postgres', segments: 14 },
  { service: 's3', segments: 20 },
] as const;

/** @param small a smaller run than the demo, which needs no input */
export async function demo(stack: Stack, report: (line: string) => void, small = false): Promise<void> {
  const input = small ? ['--input', SMALL] : [];
  await timed('images built', report, () => stack.compose('build'));
  await timed('everything up and healthy', report, () => stack.up());
  await checkInstallation(stack);
  report('only loopback is listened at, closed runs are kept for a month');

  const calm = await timed('a calm run', report, () => run(stack, 'calm', input, () => stack.finished('calm')));
  await checkReport(stack, 'calm', calm);
  report('the report came out, the Web UI shows the run');

  // What is in the store would answer for the second run.
  await stack.compose('exec', '-T', 's3', 'rm', '-r', '/data/retinopathy/store');
  const harmed = await timed('a run with deaths', report, () => run(stack, 'harmed', input, () => harm(stack, report)));
  const differences = compareOutcomes(calm, harmed);
  for (const { what, same, detail } of differences)
    report(`${what} ${same ? 'as in the calm run' : 'DIFFER'} (${detail})`);
  report(
    `attempts at a segment lost: ${harmed.work.segmentsRepeated}, iterations done twice: ${harmed.work.iterationsLost}`,
  );
  if (!differences.every(({ same }) => same)) throw new Error('Expected both runs to come to the same, got others');
}

async function run(
  stack: Stack,
  id: string,
  input: readonly string[],
  finished: () => Promise<void>,
): Promise<Outcome> {
  await stack.compose('run', '--rm', '-T', 'cli', ...START, '--workflow-id', id, ...input);
  await finished();
  return outcomeOf(await stack.store(), id);
}

async function harm(stack: Stack, report: (line: string) => void): Promise<void> {
  const began = performance.now();
  const say = (line: string) => report(`${duration((performance.now() - began) / 1000).padStart(7)}  ${line}`);
  for (const { service, segments } of DEATHS) {
    await stack.until(`${segments} segments`, 1800, async () => (await segmentsOf(stack)) >= segments);
    await stack.killAndStart(service, AWAY_MS);
    say(`docker kill of ${service}, back after ${AWAY_MS / 1000} s`);
  }
  await stack.killWithin('workflow-worker');
  say('kill -9 within workflow-worker, started again by the engine');
  const status = await stack.withClient(client => client.workflow.getHandle('harmed').describe());
  if (status.status.name !== 'RUNNING')
    throw new Error('Expected the run to be under way at the last death, got its end');
  await stack.finished('harmed');
}

async function segmentsOf(stack: Stack): Promise<number> {
  let segments = 0;
  for await (const { key } of (await stack.store()).list('stages/segment/'))
    if (key.endsWith('/manifest.json')) segments++;
  return segments;
}

async function checkInstallation(stack: Stack): Promise<void> {
  for (const [service, port] of [
    ['temporal', 7233],
    ['ui', 8080],
    ['s3', 7070],
  ] as const) {
    const address = await stack.address(service, port);
    if (!LOOPBACK.test(address)) throw new Error(`Expected ${service} on loopback, got ${address}`);
  }
  const { config } = await stack.withClient(client =>
    client.connection.workflowService.describeNamespace({ namespace: 'default' }),
  );
  const kept = Number(config?.workflowExecutionRetentionTtl?.seconds);
  if (kept !== MONTH_SECONDS) throw new Error(`Expected closed runs to be kept for ${MONTH_SECONDS} s, got ${kept}`);
}

async function checkReport(stack: Stack, id: string, { predictions }: Outcome): Promise<void> {
  await stack.compose('run', '--rm', '-T', 'retinopathy', 'report', id, '--to', `/out/${id}`);
  const file = (name: string) => readFile(join(stack.out, id, name), 'utf8');
  if ((await file('predictions.csv')) !== predictions)
    throw new Error('Expected the predictions of the run, got others');
  if (!(await file('report.html')).includes('</html>')) throw new Error('Expected a whole report.html, got a part');
  const ui = `http://${await stack.address('ui', 8080)}`;
  const shown = (await (await fetch(`${ui}/api/v1/namespaces/default/workflows/${id}`)).json()) as {
    workflowExecutionInfo?: { status?: string };
  };
  const status = shown.workflowExecutionInfo?.status;
  if (status !== 'WORKFLOW_EXECUTION_STATUS_COMPLETED')
    throw new Error(`Expected the Web UI to show ${id} as completed, got ${status}`);
  const finished = 'RetinopathyStage = "finished" AND RetinopathyQwk > -2';
  const { count } = await stack.withClient(client => client.workflow.count(finished));
  if (count !== 1) throw new Error(`Expected the list of finished runs to have ${id}, got ${count} runs`);
}

async function timed<Result>(
  what: string,
  report: (line: string) => void,
  work: () => Promise<Result>,
): Promise<Result> {
  const began = performance.now();
  const result = await work();
  report(`${what} in ${duration((performance.now() - began) / 1000)}`);
  return result;
}
