/** With a slot for each split nobody waits. */
import { Context } from '@temporalio/activity';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { testCaffe } from '../support/caffe.ts';
import { eventually } from '../support/command.ts';
import { labelStage, prepareStage, tinyInput } from './prepared.ts';
import { type TrainingWorld, trainingWorld } from './world.ts';

const input = tinyInput({ epochs: 1, segmentsPerEpoch: 3 });
const SPLITS = [[0], [1], [2], [3]];
let world: TrainingWorld;
let begun = 0;

// No segment gets its Caffe before four segments have asked for one.
async function caffe() {
  if (Context.current().info.activityType === 'trainSegment') {
    begun++;
    await eventually('four segments at once', 40, () => begun >= SPLITS.length);
  }
  return testCaffe();
}

beforeAll(async () => {
  world = await trainingWorld({ slots: 4, caffe });
  await labelStage(world.services, await prepareStage(world.services.store, 16), input);
});
afterAll(() => world.close());

test('four slots train four splits at once', async () => {
  await Promise.all(SPLITS.map(heads => world.train('four', input, { heads })));
  expect(begun).toBe(12);
});
