import { describe, expect, test } from 'vitest';
import { bootstrapByPatient } from '../../activities/regression/bootstrap.ts';
import { seededRandom } from '../../activities/regression/random.ts';

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

  test('gives the same interval for the same seed, another for another', () => {
    const interval = (seed: number) => bootstrapByPatient(patients, { mean: meanOf(values) }, { seed }).mean;
    expect(interval(1)).toEqual(interval(1));
    expect(interval(1)).not.toEqual(interval(2));
  });

  test('is as wide as theory says for patients, not for eyes', () => {
    const [low, high] = bootstrapByPatient(patients, { mean: meanOf(values) }, { seed: 5 }).mean!;
    const byPatient = 2 * 1.96 * Math.sqrt(1 / 12 / perPatient.length);
    expect((high - low) / byPatient).toBeGreaterThan(0.85);
    expect((high - low) / byPatient).toBeLessThan(1.15);
  });

  test('gives no interval for a figure that few samples have', () => {
    const sometimes = () => (next() < 0.5 ? 1 : null);
    expect(bootstrapByPatient(patients, { sometimes }, { seed: 1, samples: 50 }).sometimes).toBeNull();
    expect(bootstrapByPatient([], { never: () => null }, { seed: 1 }).never).toBeNull();
  });
});
