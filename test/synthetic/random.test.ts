import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Random } from '../../lib/random.ts';

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
const draws = <Value>(count: number, make: () => Value) => Array.from({ length: count }, make);

describe('Random', () => {
  it('repeats itself for the same seed and differs for any other', () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer(), fc.string(), (a, b, word) => {
        const first = draws(4, () => new Random(a, word).bits());
        expect(first).toEqual(draws(4, () => new Random(a, word).bits()));
        if (a !== b) {
          const [one, other] = [new Random(a, word), new Random(b, word)];
          expect(draws(4, () => one.bits())).not.toEqual(draws(4, () => other.bits()));
        }
      }),
    );
  });

  it('keeps to its bounds', () => {
    const random = new Random('bounds');
    expect([...new Set(draws(2_000, () => random.whole(2, 5)))].sort()).toEqual([2, 3, 4, 5]);
    const shares = draws(20_000, () => random.next());
    expect(Math.min(...shares)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...shares)).toBeLessThan(1);
    expect(mean(shares)).toBeCloseTo(0.5, 1.7);
  });

  it('has the moments it promises', () => {
    const random = new Random('moments');
    const normals = draws(20_000, () => random.normal(3, 2));
    expect(mean(normals)).toBeCloseTo(3, 1);
    expect(Math.sqrt(mean(normals.map(value => (value - 3) ** 2)))).toBeCloseTo(2, 1);
    const counts = draws(20_000, () => random.poisson(7));
    expect(mean(counts) / 7).toBeCloseTo(1, 1);
    expect(mean(counts.map(count => (count - 7) ** 2)) / 7).toBeCloseTo(1, 1);
    expect(draws(100, () => random.poisson(0))).toEqual(Array(100).fill(0));
  });
});
