import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { CancelledFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { decodeBlob } from '../../activities/caffe/blob-proto.ts';
import { runCaffe } from '../../activities/caffe/run-caffe.ts';
import type { DatabasePlan } from '../../activities/labels/database-plan.ts';
import { createLabelActivities } from '../../activities/labels/index.ts';
import type { AssignedFolds, BuiltDatabase, SummedPictures } from '../../activities/labels/types.ts';
import { bytesArtifact, getArtifact, getFile } from '../../storage/artifacts.ts';
import type { Artifact, ArtifactStore } from '../../storage/store.ts';
import { testCaffe } from '../support/caffe.ts';
import { type TestServices, testServices } from '../support/services.ts';
import {
  LABEL,
  labelStage,
  PREPARE,
  type Prepared,
  prepareStage,
  runActivity,
  spoilPictures,
  tinyInput,
} from '../training/prepared.ts';

let services: TestServices;
let prepared: Prepared;
let stage: { assigned: AssignedFolds; databases: BuiltDatabase[]; mean: Artifact };
const input = tinyInput();

beforeAll(async () => {
  services = await testServices({ caffe: testCaffe });
  prepared = await prepareStage(services.store, 20);
  stage = await labelStage(services, prepared, input);
});

afterAll(() => services.close());

test('every database holds its planned records in the planned order', async () => {
  const plan = JSON.parse((await getArtifact(services.store, stage.assigned.plan)).toString()) as DatabasePlan;
  expect(stage.databases.map(({ name }) => name)).toEqual(['train-00', 'train-01', 'val', 'test']);
  for (const { name, database, records } of stage.databases) {
    const path = join(services.folder, `${name}.mdb`);
    await getFile(services.store, database, path);
    // LMDB keeps its keys, `00000000_10_left.a.png`, in the order of the list.
    const text = (await readFile(path)).toString('latin1');
    const keys = new Set(Array.from(text.matchAll(/(\d{8})_(\d+_(?:left|right)\.[a-z]+\.png)/g), match => match[0]));
    const wanted = plan.databases[name]!.map((record, i) => `${String(i).padStart(8, '0')}_${record.split(' ')[0]}`);
    expect([...keys].sort()).toEqual(wanted);
    expect(records).toBe(wanted.length);
  }
});

describe('the mean picture', () => {
  /** What Caffe's own tool finds of a database. */
  async function caffesMean(database: Artifact): Promise<Buffer> {
    const folder = await mkdtemp(join(services.folder, 'mean-'));
    await mkdir(join(folder, 'database'));
    await getFile(services.store, database, join(folder, 'database', 'data.mdb'));
    await runCaffe('compute_image_mean', ['--backend=lmdb', 'database', 'mean.binaryproto'], {
      ...{ caffe: await testCaffe(), cwd: folder, signal: AbortSignal.timeout(60_000), onEvent: () => {} },
    });
    return readFile(join(folder, 'mean.binaryproto'));
  }

  test.each(['patient', 'record'] as const)('is the one that Caffe itself finds, with folds by %s', async unit => {
    const { folds, images, training } = tinyInput({ segmentsPerEpoch: 1 });
    const prefix = `stages/label/${unit}`;
    const activities = createLabelActivities(services);
    const common = { prefix, prepare: PREPARE, images, training };
    const assigned = await runActivity(activities.assignFolds, {
      ...{ ...common, labels: prepared.labels, folds: { ...folds, unit } },
    });
    const part = { prefix, prepare: PREPARE, plan: assigned.plan };
    const sums: SummedPictures[] = [];
    for (const n of [0, 1, 2]) sums.push(await runActivity(activities.sumPictures, { ...part, part: n, parts: 3 }));
    const name = assigned.databases[0]!;
    const { database, records } = await runActivity(activities.buildDatabase, {
      ...{ ...common, plan: assigned.plan, name },
    });
    expect(sums.reduce((all, sum) => all + sum.records, 0)).toBe(records);
    const ours = await getArtifact(services.store, await runActivity(activities.averageSums, { prefix, sums }));
    expect(ours.equals(await caffesMean(database))).toBe(true);
    const again = await runActivity(activities.sumPictures, { ...part, part: 2, parts: 3 });
    expect(again).toEqual({ ...sums[2]!, reused: true });
  });

  test('of several databases is that of their means, up to rounding', async () => {
    const databases = stage.databases.filter(({ name }) => name.startsWith('train-'));
    const means = await Promise.all(databases.map(async ({ database }) => decodeBlob(await caffesMean(database)).data));
    const all = databases.reduce((sum, { records }) => sum + records, 0);
    const mean = decodeBlob(await getArtifact(services.store, stage.mean));
    expect(mean).toMatchObject({ num: 1, channels: 3, height: 48, width: 48 });
    for (const [i, value] of mean.data.entries()) {
      const theirs = databases.reduce((sum, { records }, n) => sum + (means[n]![i]! * records) / all, 0);
      expect(Math.abs(value - theirs)).toBeLessThan(1e-4);
    }
  });

  test('is not gone on with after a cancellation', async () => {
    const { sumPictures } = createLabelActivities(services);
    const environment = new MockActivityEnvironment();
    environment.cancel();
    const part = { prefix: 'stages/label/cancelled', prepare: PREPARE, plan: stage.assigned.plan, part: 0, parts: 1 };
    await expect(runActivity(sumPictures, part, environment)).rejects.toThrow(CancelledFailure);
    expect(await services.store.head('stages/label/cancelled/sum-00.json')).toBeUndefined();
  });

  test('of pictures that cannot be read is refused by the name of the first', async () => {
    const broken = await testServices();
    try {
      await broken.store.put(stage.assigned.plan.key, await getArtifact(services.store, stage.assigned.plan));
      await prepareStage(broken.store, 20);
      for (const shard of ['shard-000', 'shard-001']) {
        await spoil(broken.store, shard);
      }
      let read = () => {};
      const second = new Promise<void>(resolve => {
        read = resolve;
      });
      const get: typeof broken.store.get = async (key, range) => {
        // The second shard's fails before the first one's is there.
        if (key.endsWith('shard-000.tar')) await second;
        const bytes = await broken.store.get(key, range);
        if (key.endsWith('shard-001.tar')) setImmediate(read);
        return bytes;
      };
      const { sumPictures } = createLabelActivities({ ...broken, store: { ...broken.store, get } });
      const part = { prefix: LABEL, prepare: PREPARE, plan: stage.assigned.plan, part: 0, parts: 1 };
      await expect(runActivity(sumPictures, part)).rejects.toThrow(
        /^Expected \d+_\w+\.a\.png in stages\/prepare\/.*shard-000\.tar to be a picture, got one that cannot be decoded/,
      );
    } finally {
      await broken.close();
    }
  });
});

/** Has a shard hold pictures that nobody can read, though their checksums are right. */
async function spoil(store: ArtifactStore, shard: string): Promise<void> {
  const [key, index] = [`${PREPARE}/${shard}.tar`, `${PREPARE}/${shard}.index.json`];
  const tar = spoilPictures(await store.get(key), JSON.parse((await store.get(index)).toString()));
  await store.put(key, tar, { overwrite: true });
}

test('a second attempt finds the finished database', async () => {
  const { buildDatabase } = createLabelActivities({
    ...services,
    caffe: () => Promise.reject(new Error('Expected no second build')),
  });
  const { images, training } = input;
  const again = await runActivity(buildDatabase, {
    ...{ prefix: LABEL, prepare: PREPARE, plan: stage.assigned.plan, name: 'val', images, training },
  });
  expect(again).toEqual({ ...stage.databases.find(({ name }) => name === 'val')!, reused: true });
});

test('nothing stays in the scratch folder', async () => {
  const { stdout } = await promisify(execFile)('find', [services.scratch, '-mindepth', '1']);
  expect(stdout).toBe('');
});

test('a picture that Caffe cannot read fails the build, though its tool succeeds', async () => {
  const broken = await testServices({ caffe: testCaffe });
  try {
    const own = await prepareStage(broken.store, 8);
    await spoil(broken.store, 'shard-000');
    await expect(labelStage(broken, own, input)).rejects.toThrow(
      /^Expected \d+ records in the database, got \d+: Could not/,
    );
  } finally {
    await broken.close();
  }
});

test('a picture without a label is named', async () => {
  const few = await testServices();
  try {
    const { stages } = await prepareStage(few.store, 4);
    const csv = [...stages].slice(1).map(([image, level]) => `${image},${level}`);
    const key = 'archives/test/fewer.csv';
    const bytes = Buffer.from(`image,level\n${csv.join('\n')}\n`);
    await few.store.put(key, bytes);
    const { assignFolds } = createLabelActivities(few);
    const labels = bytesArtifact(key, bytes);
    const { folds, images, training } = input;
    const attempt = runActivity(assignFolds, {
      ...{ prefix: LABEL, prepare: PREPARE, labels, folds, images, training },
    });
    await expect(attempt).rejects.toMatchObject({ type: 'BadLabels', nonRetryable: true });
    await expect(attempt).rejects.toThrow('Expected a label for 1_left, got none');
  } finally {
    await few.close();
  }
});
