import { describe, expect, test } from 'vitest';
import { bootstrapByPatient } from '../../activities/regression/bootstrap.ts';
import { seededRandom } from '../../lib/random.ts';

/** Mean of `values`, as often as each eye counts. */
function meanOf(values: readonly number[]) {
  return (weights: ArrayLike<number>) => {
    let sum = 0;
    let eyes = 0;
    values.forEach((value, i) => {
      sum += value * weights[i]!;
      eyes += weights[i]!;
    });
    return sum / eyes;
  };
}

describe('bootstrap by patient', () => {
  const next = seededRandom(3);
  const perPatient = Array.from({ length: 200 }, next);
  // Two eyes that are the same: a bootstrap by eye would think it knew twice as much.
  const values = perPatient.flatMap(value => [value, value]);
  const patients = perPatient.flatMap((_, i) => [String(i), String(i)]);

  test('gives the same interval for the same seed, another for another', async () => {
    const interval = async (seed: number) =>
      (await bootstrapByPatient(patients, { mean: meanOf(values) }, { seed })).mean;
    expect(await interval(1)).toEqual(await interval(1));
    expect(await interval(1)).not.toEqual(await interval(2));
  });

  test('is as wide as theory says for patients, not for eyes', async () => {
    const [low, high] = (await bootstrapByPatient(patients, { mean: meanOf(values) }, { seed: 5 })).mean!;
    const byPatient = 2 * 1.96 * Math.sqrt(1 / 12 / perPatient.length);
    expect((high - low) / byPatient).toBeGreaterThan(0.85);
    expect((high - low) / byPatient).toBeLessThan(1.15);
  });

  test('lets heartbeats be sent: no two samples without a break', async () => {
    let [turns, samples] = [0, 0];
    const seen = new Set<number>();
    const turn = () => {
      turns++;
      pending = setImmediate(turn);
    };
    let pending = setImmediate(turn);
    const counted = () => {
      seen.add(turns);
      return ++samples;
    };
    await bootstrapByPatient(patients, { counted }, { seed: 1, samples: 100 });
    clearImmediate(pending);
    expect(samples).toBe(100);
    expect(seen.size).toBeGreaterThanOrEqual(99);
  });

  test('gives no interval for a figure that few samples have', async () => {
    const sometimes = () => (next() < 0.5 ? 1 : null);
    expect((await bootstrapByPatient(patients, { sometimes }, { seed: 1, samples: 50 })).sometimes).toBeNull();
    expect((await bootstrapByPatient([], { never: () => null }, { seed: 1 })).never).toBeNull();
  });
});
