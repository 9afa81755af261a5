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
