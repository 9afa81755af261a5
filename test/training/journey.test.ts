import { expect, test } from 'vitest';
import type { TrainingPlan } from '../../activities/training/types.ts';
import { Journey } from '../../workflows/journey.ts';

const plan: TrainingPlan = { iterations: 80, epochs: 2, segmentsPerEpoch: 2, origin: '', done: [] };

test('epochs added by hand have the rate that was given with them, the planned ones none', () => {
  const journey = new Journey('train-01-vs-234', [1], plan, null);
  journey.extend(1, 0.002);
  journey.extend(1);
  journey.extend(1, 0.0001);
  expect(Array.from({ length: 10 }, (_, segment) => journey.rateOf(segment).rate)).toEqual([
    ...[undefined, undefined, undefined, undefined],
    ...[0.002, 0.002, 0.002, 0.002, 0.0001, 0.0001],
  ]);
});

test('of a network with four heads the best snapshot is that of the highest mean AUC', () => {
  const heads = [0, 1, 2, 3];
  const journey = new Journey('train-four-heads', heads, plan, null);
  const judged = (epoch: number, auc: (number | null)[]) =>
    journey.judged({
      ...{ epoch, snapshot: `epoch-${epoch}`, auc, accuracy: [1, 1, 1, 1], loss: [0, 0, 0, 0] },
      ...{ attempt: 1, at: '', seconds: 1, reused: false },
    });
  judged(1, [0.9, 0.9, 0.5, 0.5]);
  judged(2, [0.75, 0.75, 0.75, 0.75]);
  judged(3, [0.99, 0.7, 0.6, 0.7]);
  expect(journey.best().epoch).toBe(2);
  // A head without both classes says nothing: its AUC is no 0.
  judged(4, [0.8, null, 0.8, 0.8]);
  expect(journey.best().snapshot).toBe('epoch-4');
  expect(journey.splits.map(({ bestEpoch }) => bestEpoch)).toEqual([3, 1, 4, 4]);
});
