/** A training that is stopped while it is paused between two epochs does not begin the next one. */
import { Context } from '@temporalio/activity';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { steeringSignal } from '../../workflows/signals.ts';
import { testCaffe } from '../support/caffe.ts';
import { eventually } from '../support/command.ts';
import { labelStage, prepareStage, tinyInput } from './prepared.ts';
import { type TrainingWorld, trainingWorld } from './world.ts';

const input = tinyInput({ epochs: 3, segmentsPerEpoch: 1 });
let world: TrainingWorld;
/** Paused while its first epoch is being judged. */
let pauseOnce: (() => Promise<void>) | undefined;

beforeAll(async () => {
  const caffe = async () => {
    if (pauseOnce && Context.current().info.activityType === 'evaluateSnapshot') {
      const pause = pauseOnce;
      pauseOnce = undefined;
      await pause();
    }
    return testCaffe();
  };
  world = await trainingWorld({ caffe });
  await labelStage(world.services, await prepareStage(world.services.store, 16), input);
});
afterAll(() => world.close());

test('ends with the epoch that was over', async () => {
  const handle = world.environment.client.workflow.getHandle('stopped/train-01-vs-234');
  pauseOnce = () => handle.signal(steeringSignal, { kind: 'pause' });
  const trained = world.train('stopped', input);
  await eventually('the pause between two epochs', 60, async () => {
    if (pauseOnce) return false;
    const { raw } = await handle.describe();
    return (raw.pendingActivities ?? []).length === 0 && !raw.pendingWorkflowTask;
  });
  await handle.signal(steeringSignal, { kind: 'stopEarly', split: null });
  await handle.signal(steeringSignal, { kind: 'resume' });
  const { splits, counts } = await trained;
  expect(splits[0]).toMatchObject({ epoch: 1, epochs: 1 });
  expect(counts).toMatchObject({ epochs: 1, segmentsTrained: 1 });
});
