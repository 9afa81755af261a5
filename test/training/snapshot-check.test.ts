import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { faultOfPair } from '../../activities/training/snapshot.ts';

/** As Caffe writes them: a net of a name and a layer; iteration 300, the model's path, some history, the step of the rate. */
const MODEL = Buffer.from(
  `0a05${Buffer.from('small').toString('hex')}a20603${Buffer.from('abc').toString('hex')}`,
  'hex',
);
const STATE = Buffer.from(`08ac021205${Buffer.from('model').toString('hex')}1a03aabbcc2002`, 'hex');

let folder: string;
const [model, state] = ['model', 'state'];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'snapshot-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function fault(modelBytes: Buffer, stateBytes: Buffer, iteration = 300): Promise<string | null> {
  await writeFile(join(folder, model), modelBytes);
  await writeFile(join(folder, state), stateBytes);
  return faultOfPair(folder, model, state, iteration);
}

test('a whole pair', async () => expect(await fault(MODEL, STATE)).toBeNull());

test('of another iteration', async () => expect(await fault(MODEL, STATE, 301)).toBe(`${state} is of iteration 300`));

test('of another model', async () => {
  const other = Buffer.from(STATE.toString('latin1').replace('model', 'other'), 'latin1');
  expect(await fault(MODEL, other)).toBe('state belongs to other');
});

test('cut off anywhere', async () => {
  for (const cut of [0, 1, 4, MODEL.length - 1])
    expect(await fault(MODEL.subarray(0, cut), STATE)).toContain('model is');
  for (let cut = 0; cut < STATE.length; cut++) expect(await fault(MODEL, STATE.subarray(0, cut))).toContain('state is');
});

test('missing', async () => {
  await rm(join(folder, model));
  expect(await faultOfPair(folder, model, state, 300)).toBe(`${model} is missing or cut off`);
});
