import { expect, test } from 'vitest';
import type { TrainingPlan } from '../../activities/training/types.ts';
import { Journey } from '../../workflows/training-state.ts';

const plan: TrainingPlan = { iterations: 80, epochs: 2, segmentsPerEpoch: 2, origin: '', done: 0 };

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
      ...{ training: { records: 1, auc }, attempt: 1, at: '', seconds: 1, reused: false },
    });
  judged(1, [0.9, 0.9, 0.5, 0.5]);
  judged(2, [0.75, 0.75, 0.75, 0.75]);
  judged(3, [0.99, 0.7, 0.6, 0.7]);
  expect(journey.best().epoch).toBe(2);
  // A head without both classes says nothing: its AUC is no 0.
  judged(4, [0.8, null, 0.8, 0.8]);
  expect(journey.best().snapshot).toBe('epoch-4');
  expect(journey.state.splits.map(({ bestEpoch }) => bestEpoch)).toEqual([3, 1, 4, 4]);
});

test('what a history hands to the next is bounded: a thousand epochs of a thousand segments', () => {
  const most: TrainingPlan = { iterations: 1e9, epochs: 1000, segmentsPerEpoch: 1000, origin: 'o', done: 0 };
  const heads = [0, 1, 2, 3];
  let journey = new Journey('train-four-heads', heads, most, null);
  const figures = () => heads.map(() => Math.random());
  while (journey.goesOn()) {
    const { segment, epoch, last } = journey.next();
    const key = segment.toString(16).padStart(16, '0');
    journey.trained({
      ...{ segment, key, epoch, iteration: segment, loss: Math.random(), rate: 0.1, seconds: 1, reused: segment < 5e5 },
      lost: { attempts: 1, iterations: 2, seconds: 3 },
    });
    if (!last) continue;
    journey.judged({
      ...{ epoch, snapshot: key, auc: figures(), accuracy: figures(), loss: figures() },
      training: { records: 4096, auc: figures() },
      ...{ attempt: 1, at: new Date().toISOString(), seconds: Math.random(), reused: false },
    });
    // As one history after the other has it.
    journey = new Journey('train-four-heads', heads, most, null, JSON.parse(JSON.stringify(journey.state)));
  }
  expect(journey.state).toMatchObject({ count: 1e6 });
  expect(journey.state.splits[0]).toMatchObject({ epoch: 1000, lost: { attempts: 1e6, seconds: 3e6 } });
  expect(JSON.stringify(journey.state).length).toBeLessThan(1e6);
}, 120_000);
