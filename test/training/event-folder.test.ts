import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTrainingActivities } from '../../activities/training/index.ts';
import { readSegment } from '../../activities/training/segment-manifest.ts';
import type { EvaluatedSnapshot, SegmentResult, TrainingArgs } from '../../activities/training/types.ts';
import { testCaffe } from '../support/caffe.ts';
import { type TestServices, testServices } from '../support/services.ts';
import { readWithTensorBoard } from '../support/tensorboard.ts';
import { LABEL, labelStage, prepareStage, runActivity, tinyInput } from './prepared.ts';

let services: TestServices;
let trained: SegmentResult;
let judged: EvaluatedSnapshot;
const { training, images } = tinyInput({ segmentsPerEpoch: 1, epochs: 1 });
const args: TrainingArgs = { run: 'a', name: 'train-01-vs-234', heads: [1], label: LABEL, training, images };

beforeAll(async () => {
  services = await testServices({ caffe: testCaffe });
  await labelStage(services, await prepareStage(services.store, 20), { ...tinyInput(), training });
  const { trainSegment, evaluateSnapshot } = createTrainingActivities(services);
  trained = await runActivity(trainSegment, { ...args, segment: 0, previous: null });
  judged = await runActivity(evaluateSnapshot, { ...args, snapshot: trained.key, epoch: 1 });
});

afterAll(() => services.close());

async function eventFiles(run: string): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  const folder = `runs/${run}/tensorboard/train-01-vs-234/`;
  for await (const { key } of services.store.list(folder))
    files.set(key.slice(folder.length), await services.store.get(key));
  return files;
}

test('a finished segment and a judgement are event files, in the order of the training', async () => {
  expect([...(await eventFiles('a')).keys()].sort()).toEqual([
    `events.out.tfevents.0000000000.segment-${trained.key}`,
    `events.out.tfevents.0000000000.validation-${trained.key}`,
  ]);
});

test('another run that finds the segments done has the same files; what an execution with other input left is gone', async () => {
  const left = 'runs/b/tensorboard/train-01-vs-234/events.out.tfevents.0000000007.segment-00';
  await services.store.put(left, Buffer.from('of other input'));
  const { planTraining } = createTrainingActivities(services);
  await runActivity(planTraining, { ...args, run: 'b' });
  expect(await eventFiles('b')).toEqual(await eventFiles('a'));
});

test.runIf(process.env.RETINOPATHY_LONG)("TensorBoard's own reader finds loss, rate and judgement", async () => {
  const folder = join(services.folder, 'logs');
  await mkdir(folder);
  for (const [name, bytes] of await eventFiles('a')) await writeFile(join(folder, name), bytes);
  const found = await readWithTensorBoard(folder);
  const curve = (await readSegment(services.store, trained.key))!.curve;
  const points = JSON.parse((await services.store.get(curve.key)).toString()) as { iteration: number }[];
  expect(found['training/loss']!.map(([, step]) => step)).toEqual(points.map(({ iteration }) => iteration));
  expect(found['training/rate']!.at(-1)![2]).toBe(Math.fround(trained.rate));
  expect(found['validation/auc']).toEqual([
    [Date.parse(judged.at) / 1000, trained.iteration, Math.fround(judged.auc[0]!)],
  ]);
  expect(found['training/auc']!.map(([, step, value]) => [step, value])).toEqual([
    [trained.iteration, Math.fround(judged.training!.auc[0]!)],
  ]);
});
