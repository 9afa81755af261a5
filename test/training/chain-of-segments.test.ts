import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { MockActivityEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { CurvePoint } from '../../activities/caffe/caffe-log.ts';
import { createTrainingActivities } from '../../activities/training/index.ts';
import { epochOrder } from '../../activities/training/segment-keys.ts';
import { readSegment } from '../../activities/training/segment-manifest.ts';
import type { SegmentResult, TrainingArgs } from '../../activities/training/types.ts';
import type { Caffe } from '../../lib/tools/caffe-command.ts';
import { getArtifact, putBytes } from '../../storage/artifacts.ts';
import { getJson, putJson } from '../../storage/documents.ts';
import { createFileStore } from '../../storage/file.ts';
import type { Manifest } from '../../storage/manifest.ts';
import { testCaffe } from '../support/caffe.ts';
import { type TestServices, testServices } from '../support/services.ts';
import { LABEL, labelStage, prepareStage, runActivity, tinyInput } from './prepared.ts';

let services: TestServices;
const input = tinyInput();
const args: TrainingArgs = {
  run: 'test',
  name: 'train-01-vs-234',
  heads: [1],
  label: LABEL,
  training: input.training,
  images: input.images,
};

beforeAll(async () => {
  services = await testServices({ caffe: testCaffe });
  await labelStage(services, await prepareStage(services.store, 20), input);
});

afterAll(() => services.close());

const CHAIN = ['train-00', 'train-01'].map(name => ({ name, records: 32, checksum: '' }));

/** The same databases under another store, without the segments. */
async function otherStore(name: string): Promise<TestServices> {
  const store = join(services.folder, name);
  await promisify(execFile)('cp', ['-r', join(services.folder, 'store'), store]);
  await promisify(execFile)('rm', ['-rf', join(store, 'stages', 'segment')]);
  return { ...services, store: await createFileStore(store) };
}

/** An attempt that fails. @returns its error, and the details that Temporal hands on to the next one */
async function lostAttempt<Args>(activity: (args: Args) => Promise<unknown>, args: Args) {
  const environment = new MockActivityEnvironment();
  let heartbeatDetails: unknown;
  environment.on('heartbeat', details => {
    heartbeatDetails = details;
  });
  const outcome = await runActivity(activity, args, environment).catch(error => error);
  return { outcome, heartbeatDetails };
}

async function trainAll(using: TestServices, over: Partial<TrainingArgs> = {}, count = 4): Promise<SegmentResult[]> {
  const { trainSegment } = createTrainingActivities(using);
  const results: SegmentResult[] = [];
  for (let segment = 0; segment < count; segment++) {
    const previous = results.at(-1)?.key ?? null;
    results.push(await runActivity(trainSegment, { ...args, ...over, segment, previous }));
  }
  return results;
}

async function weightsOf({ store }: TestServices, { key }: SegmentResult): Promise<string> {
  const { model } = (await readSegment(store, key))!;
  return createHash('sha256')
    .update(await getArtifact(store, model))
    .digest('hex');
}

async function curveOf({ store }: TestServices, key: string): Promise<CurvePoint[]> {
  const { curve } = (await readSegment(store, key))!;
  return JSON.parse((await getArtifact(store, curve)).toString()) as CurvePoint[];
}

/** Caffe that is killed, as a machine that vanishes kills it, when it says what `when` matches; once. */
function killedOnce(caffe: Caffe, when: string): Caffe {
  let left = 1;
  return {
    ...caffe,
    command: (tool, toolArgs) => {
      const command = caffe.command(tool, toolArgs);
      if (toolArgs[0] !== 'train' || left-- <= 0) return command;
      // The pattern goes through the shell's own variables, so that nothing in it is taken for shell.
      const script =
        'when=$1; shift; "$@" 2>&1 | { while read -r line; do echo "$line" >&2; case $line in *"$when"*) kill -9 0;; esac; done; }';
      return ['/bin/sh', '-c', script, 'sh', when, ...command];
    },
  };
}

describe('a chain of four segments', () => {
  let results: SegmentResult[];
  let other: TestServices;

  beforeAll(async () => {
    results = await trainAll(services);
    other = await otherStore('other');
  });

  test('ends each segment at its planned iteration', () => {
    expect(results.map(({ segment, epoch }) => [segment, epoch])).toEqual([
      [0, 1],
      [1, 1],
      [2, 2],
      [3, 2],
    ]);
    const { iteration } = results[3]!;
    expect(results[1]!.iteration * 2).toBe(iteration);
    for (const { loss, reused, lost } of results) {
      expect(loss).toBeGreaterThan(0);
      expect(reused).toBe(false);
      expect(lost).toEqual({ attempts: 0, iterations: 0, seconds: 0 });
    }
  });

  test('starts each segment where the one before ended, on the next database of the epoch', async () => {
    const databases: string[] = [];
    for (const [i, { key }] of results.entries()) {
      const [first] = await curveOf(services, key);
      expect(first!.iteration).toBe(i === 0 ? 0 : results[i - 1]!.iteration);
      const manifest = await getJson<Manifest>(services.store, `stages/segment/${key}/manifest.json`);
      expect(manifest!.inputs.previous).toBe(results[i - 1]?.key);
      databases.push(manifest!.inputs.database!);
    }
    const inOrder = [1, 2].flatMap(epoch =>
      epochOrder({ databases: CHAIN, batch: 4, seed: input.training.seed }, epoch),
    );
    expect(databases).toEqual(inOrder.map(({ name }) => name));
  });

  test('gives the same bits again, though a segment was killed in the middle', async () => {
    const { trainSegment } = createTrainingActivities(other);
    const again = [await runActivity(trainSegment, { ...args, segment: 0, previous: null })];
    const second = { ...args, segment: 1, previous: again[0]!.key };
    const caffe = killedOnce(await testCaffe(), 'Iteration 12');
    const spot = createTrainingActivities({ ...other, caffe: async () => caffe });
    const { outcome, heartbeatDetails } = await lostAttempt(spot.trainSegment, second);
    expect(outcome).toMatchObject({ code: 'SIGKILL' });

    const retry = new MockActivityEnvironment({ attempt: 2, heartbeatDetails });
    again.push(await runActivity(trainSegment, second, retry));
    for (let segment = 2; segment < 4; segment++)
      again.push(await runActivity(trainSegment, { ...args, segment, previous: again.at(-1)!.key }));

    expect(again.map(({ key }) => key)).toEqual(results.map(({ key }) => key));
    for (const [i, result] of again.entries())
      expect(await weightsOf(other, result)).toBe(await weightsOf(services, results[i]!));
    expect(again.map(({ lost }) => lost.attempts)).toEqual([0, 1, 0, 0]);
    expect(again[1]!.lost).toMatchObject({ attempts: 1, iterations: 4 });
    expect(again[1]!.lost.seconds).toBeGreaterThan(0);
  });

  test('gives the same bits again, though every segment was killed and the store was moved on the way', async () => {
    let using = await otherStore('first machine');
    const caffe = await testCaffe();
    const again: SegmentResult[] = [];
    for (const [segment, { key, iteration }] of results.entries()) {
      if (segment === 2) {
        const moved = join(using.folder, 'second machine');
        await rename(join(using.folder, 'first machine'), moved);
        const [scratch, cache] = [join(moved, 'scratch'), join(moved, 'cache')];
        await Promise.all([mkdir(scratch), mkdir(cache)]);
        using = { ...using, store: createFileStore(moved), scratch, cache };
      }
      const previous = again.at(-1)?.key ?? null;
      const spot = killedOnce(caffe, `Iteration ${iteration - 4}`);
      const { trainSegment } = createTrainingActivities({ ...using, caffe: async () => spot });
      const { outcome, heartbeatDetails } = await lostAttempt(trainSegment, { ...args, segment, previous });
      expect(outcome).toMatchObject({ code: 'SIGKILL' });
      const retry = new MockActivityEnvironment({ attempt: 2, heartbeatDetails });
      again.push(await runActivity(trainSegment, { ...args, segment, previous }, retry));
      expect(again.at(-1)).toMatchObject({ key, lost: { attempts: 1, iterations: 4 } });
    }
    for (const [i, result] of again.entries())
      expect(await weightsOf(using, result)).toBe(await weightsOf(services, results[i]!));
  });

  test('is found again by the plan, up to a gap', async () => {
    const { planTraining } = createTrainingActivities(services);
    const plan = await runActivity(planTraining, args);
    expect(plan).toMatchObject({ epochs: 2, segmentsPerEpoch: 2, iterations: results[3]!.iteration });
    expect(plan.done).toBe(results.length);

    const gap = await otherStore('gap');
    await promisify(execFile)('cp', [
      '-r',
      join(services.folder, 'store/stages/segment'),
      join(services.folder, 'gap/stages'),
    ]);
    await gap.store.remove(`stages/segment/${results[1]!.key}/manifest.json`);
    const after = await runActivity(createTrainingActivities(gap).planTraining, args);
    expect(after.done).toBe(1);
    expect(after.origin).toBe(plan.origin);
  });

  test('trains no segment twice', async () => {
    const { trainSegment } = createTrainingActivities({
      ...services,
      caffe: () => Promise.reject(new Error('no Caffe')),
    });
    expect(await runActivity(trainSegment, { ...args, segment: 1, previous: results[0]!.key })).toEqual({
      ...results[1]!,
      reused: true,
    });
  });

  test('has other keys for other settings', async () => {
    const { planTraining } = createTrainingActivities(services);
    const plan = await runActivity(planTraining, { ...args, heads: [2] });
    expect(plan.done).toBe(0);
  });

  test('judges the validation fold, remembers it, and scores the records of both folds in order', async () => {
    const { evaluateSnapshot, scoreImages, collectCurves } = createTrainingActivities(services);
    const last = results[3]!.key;
    const evaluated = await runActivity(evaluateSnapshot, { ...args, snapshot: last, epoch: 2 });
    expect(evaluated).toMatchObject({ epoch: 2, snapshot: last, reused: false });
    expect(evaluated.auc[0]).toBeGreaterThan(0.5);
    expect(evaluated.training!.auc[0]).toBeGreaterThan(0.5);
    expect(await runActivity(evaluateSnapshot, { ...args, snapshot: last, epoch: 2 })).toEqual({
      ...evaluated,
      reused: true,
    });

    const prefix = 'stages/train/0000000000000003';
    const { scores, records } = await runActivity(scoreImages, { ...args, prefix, snapshot: last });
    const [header, ...lines] = (await getArtifact(services.store, scores)).toString().trimEnd().split('\n');
    expect(header).toBe('image,version,level,fold,p1');
    expect(lines).toHaveLength(records);
    const plan = JSON.parse((await services.store.get(`${LABEL}/plan.json`)).toString());
    // 40 eyes of 4 versions: neither fold fills its last batch, which wraps around.
    expect(lines.map(line => line.split(',').slice(0, 3).join())).toEqual(
      [...plan.databases.val, ...plan.databases.test].map((record: string) =>
        record.replace(/\.([a-z]+)\.png (\d)$/, ',$1,$2'),
      ),
    );

    const segments = results.map(({ key }) => key);
    const collected = await runActivity(collectCurves, {
      ...{ ...args, prefix, segments: segments.length, rates: [], evaluations: [evaluated], best: last, drop: [] },
    });
    const listed = await getArtifact(services.store, collected['segments.json']);
    expect(JSON.parse(listed.toString())).toEqual({ segments, best: last });
    const table = (await getArtifact(services.store, collected['curves.csv'])).toString();
    const { iteration } = results[3]!;
    expect(table).toContain(`<0..1>/<2..4>,2,${iteration},validation auc,${evaluated.auc[0]},1,${evaluated.at}\n`);
    const trained = evaluated.training!.auc[0];
    expect(table).toContain(`<0..1>/<2..4>,2,${iteration},training auc,${trained},1,${evaluated.at}\n`);
    expect(table).toMatch(/^<0\.\.1>\/<2\.\.4>,1,0,loss,0\.\d+,1,\d{4}-\d\d-\d\dT[\d:.]+Z$/m);
    expect(table).toMatch(/,rate,0\.01,1,/);
  });

  test('knows each of its segments by its key', async () => {
    const { locateSegment } = createTrainingActivities(services);
    const [first, second] = results.map(({ key }) => key);
    const located = await runActivity(locateSegment, { ...args, key: second!, segments: results.length, rates: [] });
    expect(located).toEqual({ segment: 1, previous: first, lost: results[1]!.lost });
  });

  test('leaves nothing in the scratch folder', async () => expect(await readdir(services.scratch)).toEqual([]));
});

test('four heads learn from one database, with weights for their classes', async () => {
  const training = { ...input.training, classWeights: true };
  const fourHeads = { ...args, name: 'train-four-heads', heads: [0, 1, 2, 3], training };
  const [result] = await trainAll(services, fourHeads, 1);
  const { evaluateSnapshot } = createTrainingActivities(services);
  const evaluated = await runActivity(evaluateSnapshot, { ...fourHeads, snapshot: result!.key, epoch: 1 });
  expect(evaluated.auc).toHaveLength(4);
  expect(evaluated.training!.auc).toHaveLength(4);
  // Other records than those of the validation fold.
  expect(evaluated.training!.auc).not.toEqual(evaluated.auc);
  expect(evaluated.loss.every(loss => loss > 0)).toBe(true);
});

test('a rate that is far too high fails for good, with advice', async () => {
  const training = { ...input.training, baseRate: 1e8 };
  await expect(trainAll(services, { training })).rejects.toMatchObject({
    type: 'Diverged',
    nonRetryable: true,
    message: expect.stringMatching(/lower `training.baseRate`/),
  });
});

test('a pair whose manifest is gone is named, and not trained on', async () => {
  const spoilt = await otherStore('spoilt');
  const [first] = await trainAll(spoilt, {}, 1);
  await spoilt.store.remove(`stages/segment/${first!.key}/manifest.json`);
  const { trainSegment, evaluateSnapshot } = createTrainingActivities(spoilt);
  const named = {
    type: 'SpoiltPair',
    nonRetryable: true,
    message: expect.stringContaining('its manifest is missing'),
    details: [{ key: first!.key, why: expect.any(String), instead: null }],
  };
  await expect(runActivity(trainSegment, { ...args, segment: 1, previous: first!.key })).rejects.toMatchObject(named);
  await expect(runActivity(evaluateSnapshot, { ...args, snapshot: first!.key, epoch: 1 })).rejects.toMatchObject(named);
});

test('a pair that Caffe refuses though its checksums are right is named, and not tried again and again', async () => {
  const spoilt = await otherStore('refused');
  const [first] = await trainAll(spoilt, {}, 1);
  const manifestKey = `stages/segment/${first!.key}/manifest.json`;
  const manifest = (await getJson<Manifest>(spoilt.store, manifestKey))!;
  // A solver's state with no history: whole as a message, of the right iteration, and of no use.
  const name = Buffer.from('snapshot/net_iter_8.caffemodel');
  const state = Buffer.concat([Buffer.from([0x08, 8, 0x12, name.length]), name, Buffer.from([0x20, 0])]);
  manifest.outputs.solverstate = await putBytes(spoilt.store, 'stages/segment/stateless', state);
  await putJson(spoilt.store, manifestKey, manifest, { overwrite: true });
  const { trainSegment } = createTrainingActivities(spoilt);
  await expect(runActivity(trainSegment, { ...args, segment: 1, previous: first!.key })).rejects.toMatchObject({
    type: 'SpoiltPair',
    message: expect.stringContaining('Incorrect length of history blobs'),
  });
});

test('a network that Caffe refuses fails before any training', async () => {
  const text = await readFile(new URL('../../config/networks/small.prototxt', import.meta.url), 'utf8');
  const file = join(services.folder, 'own.prototxt');
  const { planTraining } = createTrainingActivities(services);
  const withNet = { ...args, training: { ...input.training, network: `file:${file}` } };

  await writeFile(file, text.replace('type: "ReLU"', 'type: "Rectifier"'));
  await expect(runActivity(planTraining, withNet)).rejects.toMatchObject({
    type: 'BadNetwork',
    nonRetryable: true,
    message: expect.stringContaining('Rectifier'),
  });
  await writeFile(file, text.replace('bottom: "label"', 'bottom: "stage"'));
  await expect(runActivity(planTraining, withNet)).rejects.toThrow(/only the Threshold layer to read `stage`/);
});

test('a segment that is cancelled stops Caffe and says so', async () => {
  const cancelled = await otherStore('cancelled');
  const caffe = await testCaffe();
  const environment = new MockActivityEnvironment();
  const { trainSegment } = createTrainingActivities({
    ...cancelled,
    caffe: async () => ({
      ...caffe,
      // Cancelled as Caffe is about to start: it must not train to its end.
      command: (tool, toolArgs) => {
        setImmediate(() => environment.cancel());
        return caffe.command(tool, toolArgs);
      },
    }),
  });
  const training = { ...input.training, seed: 9 };
  await expect(
    runActivity(trainSegment, { ...args, training, segment: 0, previous: null }, environment),
  ).rejects.toThrow(/CANCELLED|cancel/i);
  expect(await readdir(services.scratch)).toEqual([]);
});
