/** The whole pipeline on a real Temporal server with real Caffe, started by `temporal workflow start`, watched, steered and replayed. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Client } from '@temporalio/client';
import { bundleWorkflowCode, DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { readRecord } from '../../activities/run/records.ts';
import type { Plan } from '../../cli/estimate/estimate.ts';
import { type Embedded, startEmbedded } from '../../cli/local/local-cluster.ts';
import { choosePort } from '../../cli/local/ports.ts';
import { type OutFolder, openOutFolder } from '../../cli/local/run-dir.ts';
import { runChild } from '../../lib/process/child-process.ts';
import { findTemporalCli } from '../../lib/tools/temporal-cli.ts';
import { createFileStore } from '../../storage/file.ts';
import type { Progress, ScoringProgress } from '../../workflows/progress.ts';
import type { ScoreArchiveArgs } from '../../workflows/score-archive.ts';
import type { SteeringAnswer } from '../../workflows/signals.ts';
import { writeArchiveOf } from '../scoring/own-pictures.ts';
import { eventually, retinopathy } from '../support/command.ts';
import { TINY } from '../support/tiny.ts';
import { describeForks } from './forks-of-a-run.ts';
import { describeUses } from './uses-of-a-run.ts';

const RUN = 'dr-2026-11';
const LONG = Boolean(process.env.RETINOPATHY_LONG);
let folder: string;
let out: OutFolder;
let embedded: Embedded;
let client: Client;
let temporal: string;

beforeAll(async () => {
  Runtime.install({ logger: new DefaultLogger('WARN') });
  folder = await mkdtemp(join(tmpdir(), 'start-'));
  out = await openOutFolder(join(folder, 'run'));
  temporal = (await findTemporalCli({ env: process.env })).path;
  vi.stubEnv('RETINOPATHY_SEARCH_ATTRIBUTES', '1');
  embedded = await startEmbedded({
    temporal,
    out,
    port: await choosePort(undefined, 0, '--port'),
    uiPort: await choosePort(undefined, 0, '--ui-port'),
    store: `file:${join(out.path, 'store')}`,
    files: [folder],
  });
  client = embedded.client;
  await embedded.startWorkers(['workflow', 'cpu', 'gpu']);
  await out.writeState({ run: RUN, store: `file:${join(out.path, 'store')}` });
});

afterAll(async () => {
  await embedded?.stop();
  out?.release();
  await rm(folder, { recursive: true, force: true });
  vi.unstubAllEnvs();
});

/** The Temporal CLI's words for a request to the run. */
async function cli(...args: string[]): Promise<{ code: number | null; said: string }> {
  const { code, tail } = await runChild([temporal, ...args, '--address', embedded.address]);
  return { code, said: tail.join('\n') };
}

describe('temporal workflow start', () => {
  test('runs all five stages; progress, pause and resume answer; the report is in the store', async () => {
    const input = join(folder, 'input.json');
    await writeFile(input, JSON.stringify(TINY));
    const started = await cli(
      ...['workflow', 'start', '--type', 'retinopathyPipeline', '--task-queue', 'retinopathy'],
      ...['--workflow-id', RUN, '--input-file', input],
    );
    expect(started.code, started.said).toBe(0);

    const paused = await eventually('an answer to pause', 30, async () => {
      const answer = await cli('workflow', 'update', 'execute', '--workflow-id', RUN, '--name', 'pause');
      return answer.code === 0 && answer.said;
    });
    expect(paused).toContain('paused');
    const twice = await cli('workflow', 'update', 'execute', '--workflow-id', RUN, '--name', 'pause');
    expect(twice.said).toContain('it is paused already');
    const early = await cli('workflow', 'update', 'execute', '--workflow-id', RUN, '--name', 'extend', '--input', '1');
    expect(early.said).toContain('nothing is training');
    const resumed = await cli('workflow', 'update', 'execute', '--workflow-id', RUN, '--name', 'resume');
    expect(resumed.said).toContain('going on');

    const result = await client.workflow.getHandle(RUN).result();
    expect(result.report).toBe(`runs/${RUN}/report/`);
    const progress = (await client.workflow.getHandle(RUN).query('progress')) as Progress;
    expect(progress.state).toBe('finished');
    expect(Object.values(progress.stages).map(stage => stage.state)).toEqual(Array(5).fill('done'));
    expect(progress.splits.map(split => [split.k, split.epoch])).toEqual([0, 1, 2, 3].map(k => [k, 2]));

    expect(progress.splits.map(({ curve }) => curve!.map(({ epoch }) => epoch))).toEqual(Array(4).fill([1, 2]));
    const { events } = await client.workflow.getHandle(RUN).fetchHistory();
    const pages = events!.flatMap(({ activityTaskScheduledEventAttributes: a }) =>
      a?.activityType?.name === 'writeProgressPage' ? [a] : [],
    );
    // Of each stage but the last, and at most one an epoch and split.
    expect(pages.length).toBeGreaterThan(4);
    expect(pages.length).toBeLessThanOrEqual(4 + 2 + 8);

    const store = await createFileStore(join(out.path, 'store'));
    const page = (await store.get(`runs/${RUN}/report/report.html`)).toString();
    expect(page).toContain('Four predictions, one stage');
    expect(page).not.toContain('http-equiv="refresh"');
    const metrics = JSON.parse((await store.get(`runs/${RUN}/report/metrics.json`)).toString());
    expect(metrics.schemaVersion).toBe(1);
    expect(metrics.images).toEqual({ seen: 80, quarantined: 0 });
    expect(metrics.splits).toHaveLength(4);
    expect(metrics.work.segmentsTrained).toBe(16);
  }, 300_000);

  test('the list of workflows finds it by its source, its stage and its figures', async () => {
    const store = await createFileStore(join(out.path, 'store'));
    const { regression, splits } = JSON.parse((await store.get(`runs/${RUN}/report/metrics.json`)).toString());
    const found = async (more: string) => {
      const query = `RetinopathySource = "synthetic" AND RetinopathyStage = "finished" AND ${more}`;
      return (await client.workflow.count(query)).count;
    };
    await eventually('the run in the list', 30, async () => (await found(`RetinopathyQwk = ${regression.qwk}`)) === 1);
    expect(await found(`RetinopathyReferableAuc = ${splits[1].auc}`)).toBe(1);
    expect(await found(`RetinopathyQwk < ${regression.qwk}`)).toBe(0);
  });

  test('plan says before what it was: bytes and counts exactly, disk within a fifth, histories within twice', async () => {
    const store = await createFileStore(join(out.path, 'store'));
    const input = join(folder, 'input.json');
    const asked = retinopathy(['plan', '--input-file', input, '--store', store.url, '--from', RUN, '--json']);
    const { code } = await asked.exited;
    const said = asked.output();
    expect(code, said).toBe(0);
    const plan = JSON.parse(said.slice(said.indexOf('{'))) as Plan;
    const { stages } = await client.workflow.getHandle(RUN).result();
    const counts = async (stage: string, key: string) =>
      JSON.parse((await store.get(`stages/${stage}/${key}/manifest.json`)).toString()).counts;
    const { records, databases } = await counts('label', stages.label);
    const { synthetic } = (await readRecord(store, RUN))!.stages;
    expect(plan.fetch).toEqual({ bytes: (await counts('synthetic', synthetic!.key)).bytes, exact: true, files: 6 });
    const { train, validation, test } = plan.work.records;
    expect(train + validation + test).toBe(records);
    const { splits } = (await client.workflow.getHandle(RUN).query('progress')) as Progress;
    expect(plan.work).toMatchObject({
      ...{ pictures: 80, shards: 3, databases, segments: 16, judgings: 8, trainings: 4, segmentsPerEpoch: 2 },
      iterations: splits.reduce((sum, { iterations }) => sum + iterations, 0),
    });
    let stored = 0;
    for await (const { size } of store.list('')) stored += size;
    expect(Math.abs(plan.disk.store / stored - 1)).toBeLessThan(0.2);
    for (const { workflow, events, verdict } of plan.histories) {
      const id = workflow === 'pipeline' ? RUN : `${RUN}/${workflow === 'a training' ? 'train-0-vs-1234' : workflow}`;
      const real = (await client.workflow.getHandle(id).fetchHistory()).events!.length;
      expect([workflow, Math.max(events / real, real / events) < 2, verdict]).toEqual([workflow, true, 'fits']);
    }
  }, 60_000);

  test('a second run of the same input does nothing again, and says so', async () => {
    const again = await client.workflow.execute('retinopathyPipeline', {
      workflowId: `${RUN}-again`,
      taskQueue: 'retinopathy',
      args: [TINY],
    });
    const before = await client.workflow.getHandle(RUN).result();
    expect(again.stages).toEqual(before.stages);
    const progress = (await client.workflow.getHandle(`${RUN}-again`).query('progress')) as Progress;
    expect(Object.values(progress.stages).map(stage => stage.state)).toEqual(Array(5).fill('reused'));
    // What a person looks at belongs to each run, whoever made the pictures.
    const store = await createFileStore(join(out.path, 'store'));
    const [first, second] = [RUN, `${RUN}-again`].map(run => store.get(`runs/${run}/report/augmentation.png`));
    expect((await first)!.equals((await second)!)).toBe(true);
  }, 60_000);

  test.each([
    {
      changed: 'regression.ridge',
      over: { regression: { ridge: 0.3 } },
      states: ['reused', 'reused', 'reused', 'reused', 'done'],
      reasons: { regress: 'changed: regression.ridge "auto" → 0.3' },
    },
    {
      changed: 'images.size',
      // Training again takes its time: it is left to the long form.
      over: { images: { ...TINY.images, size: 48 }, ...(LONG ? {} : { until: 'label' }) },
      states: ['reused', 'done', 'done', ...Array(2).fill(LONG ? 'done' : 'skipped')],
      reasons: { prepare: 'changed: size 64 → 48', label: expect.stringMatching(/^changed: inputs\.prepare "/) },
    },
  ])(
    'with another $changed what it touches is made again and nothing else, and the details say why',
    async given => {
      const { changed, over, states, reasons } = given;
      const before = (await client.workflow.getHandle(RUN).result()).stages;
      const run = `${RUN}-${changed}`;
      const args = [{ ...TINY, ...over }];
      const { stages } = await client.workflow.execute('retinopathyPipeline', {
        ...{ workflowId: run, taskQueue: 'retinopathy', args },
      });
      const progress = (await client.workflow.getHandle(run).query('progress')) as Progress;
      expect(Object.values(progress.stages).map(stage => stage.state)).toEqual(states);
      for (const [name, reason] of Object.entries(reasons)) {
        expect(progress.stages[name as keyof typeof reasons].reason).toEqual(reason);
      }
      const again = Object.keys(stages).filter(name => stages[name] !== before[name]);
      const names = Object.keys(stages);
      expect(again).toEqual(changed === 'images.size' ? names.filter(name => name !== 'download') : ['regress']);
    },
    120_000,
  );

  test('scoreArchive gives unseen pictures the stages that the run itself gives them, as the competition wants them', async () => {
    const store = await createFileStore(join(out.path, 'store'));
    const { stages } = await client.workflow.getHandle(RUN).result();
    const text = async (key: string) => (await store.get(key)).toString().trimEnd().split('\n');
    const own = (await text(`runs/${RUN}/report/predictions.csv`)).slice(1).map(line => line.split(','));
    const held = new Map(own.map(([image, , , ...figures]) => [image!, figures.map(Number)]));
    const images = [...held.keys()];
    const both = images.filter(image => image.endsWith('_left') && held.has(image.replace('_left', '_right')));
    const damaged = both[0]!;
    const source = join(folder, 'unseen');
    const archive = { folder: source, images, damaged: [damaged], parts: 2, mac: true };
    await writeArchiveOf(store, `stages/download/${stages.download}`, archive);

    const id = `${RUN}-test`;
    const request = { run: RUN, archive: { parts: 2 }, source: `file:${source}`, maxQuarantined: 0.1 };
    const { code, said } = await cli(
      ...['workflow', 'execute', '--type', 'scoreArchive', '--task-queue', 'retinopathy'],
      ...['--workflow-id', id, '--input', JSON.stringify(request)],
    );
    expect(code, said).toBe(0);

    const submission = (await text(`runs/${id}/report/submission.csv`)).map(line => line.split(','));
    expect(submission.map(([image]) => image)).toEqual(['image', ...images]);
    const levels = new Map(submission.slice(1).map(([image, level]) => [image!, Number(level)]));
    const lines = (await text(`runs/${id}/report/predictions.csv`)).slice(1).map(line => line.split(','));
    for (const [image, ...figures] of lines) {
      const [p0, p1, p2, p3, expected, level] = figures.map(Number) as [number, number, number, number, number, number];
      expect(levels.get(image!)).toBe(level);
      if (image === damaged) {
        expect(figures).toEqual(['', '', '', '', '', String(levels.get(damaged.replace('_left', '_right'))), 'fellow']);
        continue;
      }
      const known = held.get(image!)!;
      // Other pictures stand beside it in its batch: the last of the six digits that Caffe prints may differ.
      for (const [i, value] of [p0, p1, p2, p3, expected].entries()) expect(value).toBeCloseTo(known[i]!, 4);
      expect([level, figures.at(-1)]).toEqual([known[5], 'networks']);
    }
    const { counts } = await client.workflow.getHandle(id).result();
    const unseen = images.length - 1;
    expect(counts).toMatchObject({
      pictures: unseen,
      quarantined: 1,
      byNetworks: unseen,
      byFellow: 1,
      byMajority: 0,
      ignored: 2,
    });
    const { state, steps } = (await client.workflow.getHandle(id).query('progress')) as ScoringProgress;
    expect([state, ...Object.values(steps).map(step => step.state)]).toEqual(['finished', 'done', 'done', 'done']);
    expect(steps.score).toMatchObject({ done: 4, of: 4 });
  }, 120_000);

  test('scoreArchive refuses at once what it cannot score', async () => {
    const score = async (id: string, args: ScoreArchiveArgs) => {
      const handle = await client.workflow.start('scoreArchive', {
        ...{ workflowId: id, taskQueue: 'retinopathy', args: [args] },
      });
      const failure = await handle.result().catch(error => error);
      return (failure.cause.cause ?? failure.cause).message;
    };
    expect(await score('score-nothing', {})).toMatch(/^Expected `run` to name a finished run, got nothing: start /);
    expect(await score('score-none', { run: 'nobody' })).toMatch(/^Expected a run nobody in file:.*, got none/);
    // In its long form that run goes on to its end.
    if (!LONG) {
      const half = await score('score-half', { run: `${RUN}-images.size` });
      expect(half).toMatch(/^Expected stage (train-.*|regress) of run .* to be finished, got none/);
    }
    // The archive of one set of pictures, and the sample of another.
    const source = join(folder, 'unseen');
    await writeFile(join(source, 'sampleSubmission.csv'), 'image,level\n1_left,0\n');
    const wrong = { run: RUN, archive: { parts: 2 }, source: `file:${source}`, maxQuarantined: 0.1 };
    expect(await score('score-wrong', wrong)).toMatch(
      /^Expected test\.zip to hold the 1 pictures of the sample submission, got 1 missing \(1_left\), \d+ that the sample does not name/,
    );
  }, 60_000);

  test('stopEarly ends one split with its epoch, extend gives the others more; both are keyed as what they are', async () => {
    const run = `${RUN}-steered`;
    const handle = await client.workflow.start('retinopathyPipeline', {
      workflowId: run,
      taskQueue: 'retinopathy',
      args: [{ ...TINY, training: { ...TINY.training, epochs: 4, policy: { type: 'poly', power: 1 } } }],
    });
    await eventually('every split to have an epoch behind it', 60, async () => {
      const { splits } = await handle.query<Progress, []>('progress').catch(() => ({ splits: [] }));
      return splits.length === 4;
    });
    const atStop = (await handle.query<Progress, []>('progress')).splits[0]!.epoch;
    const stopped = await handle.executeUpdate<SteeringAnswer, [number]>('stopEarly', { args: [0] });
    expect(stopped.plan).toBe('split 0|1234 ends with the epoch that is running');
    await expect(handle.executeUpdate('extend', { args: [1] })).rejects.toMatchObject({
      cause: { message: expect.stringMatching(/^Refused: the policy poly ends with a rate of 0: give a rate/) },
    });
    const extended = await handle.executeUpdate<SteeringAnswer, [number, number]>('extend', { args: [1, 0.003] });
    const plan = '1 epochs more for every split that is still training, at a rate of 0.003';
    expect(extended).toEqual({ state: 'running', plan });
    for (const args of [[0], [1, 0], [1, 11]] as [number, number?][])
      await expect(handle.executeUpdate<unknown, [number, number?]>('extend', { args })).rejects.toThrow();

    const result = await handle.result();
    const { splits } = await handle.query<Progress, []>('progress');
    // The epoch that was running when the request came is the last, and the plan says so.
    expect(splits[0]!.epoch).toBeLessThanOrEqual(Math.min(4, atStop + 2));
    expect(splits[0]!.epochs).toBe(splits[0]!.epoch);
    expect(splits.slice(1).map(split => split.epoch)).toEqual([5, 5, 5]);
    const curves = await readFile(join(out.path, 'store/runs', run, 'report/curves.csv'), 'utf8');
    expect(curves).toMatch(/^<0\.\.1>\/<2\.\.4>,5,\d+,rate,0\.003,/m);
    const planned = await client.workflow.getHandle(RUN).result();
    expect(result.stages.label).toBe(planned.stages.label);
    expect(new Set(Object.values(result.stages)).size).toBe(8);
  }, 120_000);

  const finishedRun = async () => ({
    folder,
    store: await createFileStore(join(out.path, 'store')),
    run: RUN,
    embedded,
  });
  describeForks(finishedRun);
  describeUses(finishedRun);

  test('a budget pauses it at the border of a segment, raiseBudget lets it go on, and the weights are the same', async () => {
    const store = await createFileStore(join(out.path, 'store'));
    const calm = await client.workflow.getHandle(RUN).result();
    const trainings = Object.keys(calm.stages as Record<string, string>).filter(name => name.startsWith('train-'));
    const scores = () => Promise.all(trainings.map(name => store.get(`stages/train/${calm.stages[name]}/scores.csv`)));
    const before = await scores();
    for (const stage of ['segment', 'train']) {
      for await (const { key } of store.list(`stages/${stage}/`)) await store.remove(key);
    }

    const run = `${RUN}-budget`;
    const budget = { currency: 'EUR', perGpuHour: 3600, limit: 0.001 };
    const handle = await client.workflow.start('retinopathyPipeline', {
      ...{ workflowId: run, taskQueue: 'retinopathy', args: [{ ...TINY, budget }] },
    });
    const trained = async () => {
      let manifests = 0;
      for await (const { key } of store.list('stages/segment/')) if (key.endsWith('/manifest.json')) manifests++;
      return manifests;
    };
    // What the first epochs cost is not known before: each training begins one.
    const first = await eventually('the budget to pause the run', 60, async () => {
      const { state, budget } = await handle.query<Progress, []>('progress');
      const idle = ((await handle.describe()).raw.pendingActivities ?? []).length === 0;
      return idle && state === 'paused' && budget;
    });
    expect(first.waiting).toHaveLength(4);
    expect(first.spent).toBeGreaterThan(0);
    expect(await trained()).toBeLessThan(16);

    const raise = (limit: number) => handle.executeUpdate<SteeringAnswer, [number]>('raiseBudget', { args: [limit] });
    await expect(raise(first.spent / 2)).rejects.toMatchObject({
      cause: { message: expect.stringMatching(/^Refused: .* EUR are less than the .* that are spent$/) },
    });
    const { spent: told } = (await handle.query<Progress, []>('progress')).budget!;
    expect((await raise(told + 1e-6)).plan).toMatch(/EUR: \d trainings still wait for more$/);

    await handle.signal('raiseBudget', 0);
    await handle.signal('raiseBudget', 1e6);
    const result = await handle.result();
    expect(result.stages).toEqual(calm.stages);
    const { steering } = await handle.query<Progress, []>('progress');
    expect(steering.map(({ asked, plan }) => [asked, plan.replace(/\d+\.\d+/, 'N')])).toEqual([
      ['raiseBudget', expect.stringMatching(/^the limit is N EUR: \d trainings still wait for more$/)],
      ['raiseBudget', 'refused: 0 EUR are less than the N that are spent'],
      ['raiseBudget', 'the limit is 1000000 EUR: going on'],
    ]);
    const metadata = await handle.query<{ currentDetails: string }, []>('__temporal_workflow_metadata');
    expect(metadata.currentDetails).toMatch(/^- \d\d:\d\d:\d\d \*\*raiseBudget\*\*: the limit is 1000000 EUR/m);
    expect((await scores()).map((bytes, n) => bytes.equals(before[n]!))).toEqual([true, true, true, true]);
    const { budget: spent } = await handle.query<Progress, []>('progress');
    expect(spent).toMatchObject({ limit: 1e6, waiting: [] });
    expect(spent!.spent).toBeGreaterThan(first.spent);
  }, 180_000);

  test('one network with four heads, steered by signals while it trains, ends with a report', async () => {
    const run = `${RUN}-heads`;
    const training = { ...TINY.training, layout: 'four-heads', epochs: 4 };
    const handle = await client.workflow.start('retinopathyPipeline', {
      ...{ workflowId: run, taskQueue: 'retinopathy', args: [{ ...TINY, training }] },
    });
    const steering = async () => (await handle.query<Progress, []>('progress')).steering.map(({ plan }) => plan);
    const asked = (plan: RegExp) =>
      eventually(`${plan}`, 30, async () => (await steering()).some(said => plan.test(said)));
    await eventually('an epoch to be behind it', 120, async () => {
      const { splits } = await handle.query<Progress, []>('progress').catch(() => ({ splits: [] }));
      return splits.length === 4;
    });

    await handle.signal('pause');
    await asked(/^paused: /);
    const child = client.workflow.getHandle(`${run}/train-four-heads`);
    const idle = async () => {
      const { raw } = await child.describe();
      const busy = (raw.pendingActivities?.length ?? 0) > 0 || raw.pendingWorkflowTask;
      return !busy && raw.workflowExecutionInfo?.historyLength?.toNumber();
    };
    // What ran has ended and nothing is scheduled: only `resume` can bring it on.
    const paused = await eventually('the training to pause', 60, idle);
    expect((await child.describe()).status.name).toBe('RUNNING');

    await handle.signal('pause');
    await handle.signal('extend', 0);
    await handle.signal('stopEarly', 7);
    await asked(/^refused: it is paused already/);
    await asked(/^refused: epochs must be an integer from 1, not 0/);
    await asked(/^refused: a split is 0, 1, 2 or 3, not 7/);
    expect(await idle()).toBe(paused);
    await handle.signal('extend', 3, 0.004);
    await asked(/^3 epochs more for every split that is still training, at a rate of 0.004/);
    const { epoch } = (await handle.query<Progress, []>('progress')).splits[0]!;
    await handle.signal('stopEarly');
    await asked(/^all splits end with the epoch that is running/);
    await handle.signal('resume');

    const { report, stages } = await handle.result();
    const progress = await handle.query<Progress, []>('progress');
    expect(progress.splits.map(split => split.epoch)).toEqual(Array(4).fill(progress.splits[0]!.epoch));
    // Of seven planned epochs, the one that was running is the last.
    expect(progress.splits[0]!.epoch).toBeLessThanOrEqual(epoch + 1);
    const metadata = await handle.query<{ currentDetails: string }, []>('__temporal_workflow_metadata');
    expect(metadata.currentDetails).toMatch(/^- \d\d:\d\d:\d\d \*\*stopEarly\*\*: all splits end/m);
    expect(metadata.currentDetails).toContain('**stopEarly**: refused: a split is 0, 1, 2 or 3, not 7');

    expect(Object.keys(stages).sort()).toEqual(['download', 'label', 'prepare', 'regress', 'train-four-heads']);
    const store = await createFileStore(join(out.path, 'store'));
    const metrics = JSON.parse((await store.get(`${report}metrics.json`)).toString());
    expect(metrics.splits.map(({ k, auc }: { k: number; auc: unknown }) => [k, typeof auc])).toEqual(
      [0, 1, 2, 3].map(k => [k, 'number']),
    );
    const predictions = (await store.get(`${report}predictions.csv`)).toString();
    expect(predictions).toMatch(/^image,level,fold,p0,p1,p2,p3,expected,predicted\n/);
    expect((await store.get(`${report}report.html`)).toString()).toContain('four heads');
  }, 240_000);

  test('every history replays on the present code, and waits for nobody longer than for a heartbeat', async () => {
    const children = ['', '/download', '/prepare', '/label', '/train-0-vs-1234', '/train-0123-vs-4', '/regress'];
    const steered = ['-steered', '-steered/train-0-vs-1234', '-steered/train-01-vs-234'];
    const budget = ['-budget', '-budget/train-0-vs-1234'];
    const forked = ['-fork', '-fork/train-01-vs-234'];
    const workflowsPath = fileURLToPath(new URL('../../workflows/index.ts', import.meta.url));
    const workflowBundle = await bundleWorkflowCode({ workflowsPath, logger: new DefaultLogger('WARN') });
    for (const id of [...children, ...steered, ...budget, ...forked, '-test', '-test/download', '-test/prepare']) {
      const history = await client.workflow.getHandle(RUN + id).fetchHistory();
      await Worker.runReplayHistory({ workflowBundle }, history, RUN + id);
      for (const { activityTaskScheduledEventAttributes: a } of history.events ?? [])
        if (a) expect(Number(a.heartbeatTimeout?.seconds), `${id}: ${a.activityType?.name}`).toBe(20);
    }
  }, 60_000);

  test('a wrong input fails the run with one clear line', async () => {
    const handle = await client.workflow.start('retinopathyPipeline', {
      workflowId: 'wrong',
      taskQueue: 'retinopathy',
      args: [{ training: { epochs: 0 } }],
    });
    const failure = await handle.result().catch(error => error);
    expect(failure.cause.cause.message).toMatch(/^Expected `training.epochs` to be an integer from 1, got `0`/);
  }, 30_000);
});
