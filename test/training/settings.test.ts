/** Settings of the training that reach Caffe through files: weights to start from, accumulation, weights of classes that decay. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import protobuf from 'protobufjs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { decodeBlob } from '../../activities/caffe/blob-proto.ts';
import { FILES } from '../../activities/caffe/network.ts';
import { createTrainingActivities } from '../../activities/training/index.ts';
import { readSegment } from '../../activities/training/segment-manifest.ts';
import type { SegmentResult, TrainingArgs } from '../../activities/training/types.ts';
import { getArtifact } from '../../storage/artifacts.ts';
import { testCaffe } from '../support/caffe.ts';
import { type TestServices, testServices } from '../support/services.ts';
import { LABEL, labelStage, prepareStage, runActivity, tinyInput } from './prepared.ts';

let services: TestServices;
let learnt: SegmentResult;
const { training, images } = tinyInput();
const args: TrainingArgs = { run: 'test', name: 'train-01-vs-234', heads: [1], label: LABEL, training, images };

/** Trains the first segments of a chain of its own. */
async function train(over: Partial<TrainingArgs['training']>, count = 1, using = services): Promise<SegmentResult[]> {
  const { trainSegment } = createTrainingActivities(using);
  const results: SegmentResult[] = [];
  for (let segment = 0; segment < count; segment++) {
    const previous = results.at(-1)?.key ?? null;
    results.push(await runActivity(trainSegment, { ...args, training: { ...training, ...over }, segment, previous }));
  }
  return results;
}

const { Net } = protobuf.parse(
  `syntax = "proto2";
  message Net { repeated Layer layer = 100; }
  message Layer { optional string name = 1; repeated Blob blobs = 7; }
  message Blob { repeated float data = 5 [packed = true]; }`,
).root.nested as { Net: protobuf.Type };

/** Weights of a segment's caffemodel by layer. */
async function weightsOf({ key }: SegmentResult): Promise<Map<string, number[][]>> {
  const { model } = (await readSegment(services.store, key))!;
  const net = Net.decode(await getArtifact(services.store, model)) as unknown as {
    layer: { name: string; blobs: { data: number[] }[] }[];
  };
  return new Map(net.layer.map(({ name, blobs }) => [name, blobs.map(({ data }) => data)]));
}

beforeAll(async () => {
  services = await testServices({ caffe: testCaffe });
  await labelStage(services, await prepareStage(services.store, 20), tinyInput());
  const results = await train({ baseRate: 0.02 }, 4);
  learnt = results[3]!;
});

afterAll(() => services.close());

describe('weights to start from', () => {
  test('are those of the caffemodel', async () => {
    const file = join(services.folder, 'own.caffemodel');
    const { model } = (await readSegment(services.store, learnt.key))!;
    await writeFile(file, await getArtifact(services.store, model));
    // A rate so small that no weight moves.
    const still = { baseRate: 1e-30, policy: { type: 'fixed' } } as const;
    const [random] = await train(still);
    const [tuned] = await train({ ...still, weights: `file:${file}` });
    expect(tuned!.key).not.toBe(random!.key);
    const [given, from, without] = await Promise.all([learnt, tuned!, random!].map(weightsOf));
    for (const layer of ['conv1', 'conv4', 'classifier']) {
      expect(from!.get(layer)).toEqual(given!.get(layer));
      expect(without!.get(layer)).not.toEqual(given!.get(layer));
    }
  });

  test.each<[string, (folder: string) => Promise<string>, string, RegExp]>([
    [
      'missing',
      async folder => join(folder, 'nowhere.caffemodel'),
      'BadInput',
      /Expected weights in .*nowhere.* got ENOENT/,
    ],
    [
      'cut off',
      async folder => {
        const { model } = (await readSegment(services.store, learnt.key))!;
        const file = join(folder, 'cut.caffemodel');
        await writeFile(file, (await getArtifact(services.store, model)).subarray(0, 5000));
        return file;
      },
      'BadInput',
      /Expected `training.weights` to be a caffemodel, got a damaged one/,
    ],
    [
      'HDF5',
      async folder => {
        const file = join(folder, 'own.caffemodel.h5');
        await writeFile(file, Buffer.concat([Buffer.alloc(2048), Buffer.from('\x89HDF\r\n\x1a\n', 'latin1')]));
        return file;
      },
      'BadInput',
      /^Expected `training.weights` to be a caffemodel in binary form, got HDF5$/,
    ],
    [
      'endless',
      async () => '/dev/zero',
      'BadInput',
      /^Expected `training.weights` below a folder that RETINOPATHY_FILES/,
    ],
    [
      'two in one',
      async folder => `${join(folder, 'a')},/etc/passwd`,
      'BadInput',
      /^Expected weights in .*\/a,\/etc\/passwd, got ENO/,
    ],
  ])('%s ones are refused before any training', async (_, make, type, message) => {
    const { planTraining } = createTrainingActivities(services);
    const weights = `file:${await make(services.folder)}`;
    await expect(runActivity(planTraining, { ...args, training: { ...training, weights } })).rejects.toMatchObject({
      ...{ type, nonRetryable: true },
      message: expect.stringMatching(message),
    });
  });
});

test('a network that is written for one size of batch is refused by Caffe itself, before any training', async () => {
  const text = await readFile(new URL('../../config/networks/small.prototxt', import.meta.url), 'utf8');
  const file = join(services.folder, 'fixed-batch.prototxt');
  const fixed =
    'layer { name: "fixed" type: "Reshape" bottom: "pool" top: "fixed" reshape_param { shape { dim: 4 dim: -1 } } }';
  const [head, tail] = text.split(/(?=layer \{\s*name: "classifier")/) as [string, string];
  await writeFile(file, `${head}${fixed}\n${tail.replace('bottom: "pool"', 'bottom: "fixed"')}`);
  const { planTraining } = createTrainingActivities(services);
  const network = `file:${file}` as const;
  await expect(runActivity(planTraining, { ...args, training: { ...training, network } })).rejects.toMatchObject({
    ...{ type: 'BadNetwork', nonRetryable: true },
    message: expect.stringMatching(
      /^Expected Caffe to accept the network, got `Check failed: .*\(4 vs\. 2\).*`: correct it/,
    ),
  });
});

test.each([
  [
    '/proc/self/environ',
    /^Expected `training.network` below a folder that RETINOPATHY_FILES of the worker's environment/,
  ],
  ['../../package', /^Expected a network, got `..\/..\/package`$/],
])('the network %s is refused, and nothing of it said', async (path, message) => {
  process.env.RETINOPATHY_CANARY = 'canary-in-the-environment';
  const { planTraining } = createTrainingActivities(services);
  const network = path.startsWith('/') ? `file:${path}` : path;
  const refused = runActivity(planTraining, { ...args, training: { ...training, network: network as 'small' } });
  const failure = await refused.catch(error => error);
  delete process.env.RETINOPATHY_CANARY;
  expect(failure).toMatchObject({ type: 'BadNetwork', nonRetryable: true, message: expect.stringMatching(message) });
  expect(`${failure.message} ${failure.stack} ${failure.cause}`).not.toContain('canary');
});

test('a network with zeros in it is no text, and nothing of it is said', async () => {
  const file = join(services.folder, 'environ');
  await writeFile(file, 'KAGGLE_API_TOKEN=canary\0HOME=/root\0');
  const { planTraining } = createTrainingActivities(services);
  const network = `file:${file}` as const;
  await expect(runActivity(planTraining, { ...args, training: { ...training, network } })).rejects.toMatchObject({
    ...{ type: 'BadNetwork', nonRetryable: true },
    message: 'Expected a Caffe network in text form, got binary data',
  });
});

describe('accumulation', () => {
  test('of two batches takes the databases of batches twice as large, in as many iterations', async () => {
    const [result] = await train({ batch: 2, accumulate: 2 });
    expect(result!.iteration).toBe((await train({}))[0]!.iteration);
    expect(result!.key).not.toBe((await train({}))[0]!.key);
    const { store } = services;
    const manifest = JSON.parse((await store.get(`stages/segment/${result!.key}/manifest.json`)).toString());
    expect(manifest.parameters.solver).toContain('iter_size: 2\n');
    expect(manifest.parameters.net).toContain('batch_size: 2 ');
  });

  test('that does not fit the databases is refused', async () => {
    await expect(train({ accumulate: 3 })).rejects.toThrow(
      /Expected `training.batch` times `training.accumulate` to be 4, .* got 12/,
    );
  });
});

test('weights of classes that decay are others in each epoch, and Caffe reads them', async () => {
  const caffe = await testCaffe();
  const copies = join(services.folder, 'matrices');
  await mkdir(copies);
  const watched: TestServices = {
    ...services,
    caffe: async () => ({
      ...caffe,
      command: (tool, toolArgs) => [
        ...['/bin/sh', '-c', 'cp "$1" "$2/$(ls "$2" | wc -l)"; shift 2; exec "$@"', 'sh', FILES.infogain(1), copies],
        ...caffe.command(tool, toolArgs),
      ],
    }),
  };
  const results = await train({ classWeights: true, classWeightsDecay: 0.5 }, 3, watched);
  expect(results.map(({ epoch }) => epoch)).toEqual([1, 1, 2]);
  const [first, second, third] = await Promise.all(
    [0, 1, 2].map(async n => decodeBlob(await readFile(join(copies, String(n)))).data),
  );
  expect(second).toEqual(first);
  for (const place of [0, 3]) expect(third![place]! - 1).toBeCloseTo((first![place]! - 1) / 2, 6);
  expect(first![0]).not.toBe(1);
  expect([first![1], first![2]]).toEqual([0, 0]);
});
