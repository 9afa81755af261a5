import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createLabelActivities } from '../../activities/labels/index.ts';
import type { DatabasePlan } from '../../activities/labels/plan.ts';
import type { AssignedFolds, BuiltDatabase } from '../../activities/labels/types.ts';
import { decodeBlob } from '../../activities/training/blob-proto.ts';
import { bytesArtifact, getArtifact, getFile } from '../../storage/files.ts';
import type { Artifact } from '../../storage/store.ts';
import { testCaffe } from '../support/caffe.ts';
import { type TestServices, testServices } from '../support/services.ts';
import {
  LABEL,
  labelStage,
  PREPARE,
  type Prepared,
  prepareStage,
  runActivity,
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

test('the mean of the databases is the mean of all training records, as Caffe itself finds it', async () => {
  const mean = decodeBlob(await getArtifact(services.store, stage.mean));
  expect(mean).toMatchObject({ num: 1, channels: 3, height: 48, width: 48 });
  const parts = await Promise.all(
    stage.databases
      .filter(({ mean }) => mean !== null)
      .map(async ({ mean, records }) => ({ ...decodeBlob(await getArtifact(services.store, mean!)), records })),
  );
  const total = parts.reduce((sum, { records }) => sum + records, 0);
  const first = parts.reduce((sum, { data, records }) => sum + data[0]! * records, 0) / total;
  expect(mean.data[0]).toBeCloseTo(first, 4);
  // Blue comes first in Caffe, and is 40 everywhere in these pictures.
  expect(mean.data[0]).toBeCloseTo(40, 4);
});

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
    const key = `${PREPARE}/shard-000.tar`;
    const tar = await broken.store.get(key);
    tar.fill(0, 512, 900);
    await broken.store.put(key, tar, { overwrite: true });
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
