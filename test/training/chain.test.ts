import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { printPrototxt } from '../../activities/caffe/prototxt.ts';
import { segmentSolver } from '../../activities/caffe/solver.ts';
import {
  type ChainSettings,
  epochOrder,
  iterationsPerEpoch,
  segmentAt,
  segmentKey,
} from '../../activities/training/segment-keys.ts';
import type { RatePolicy } from '../../config/input.ts';

const chains = fc
  .record({
    batches: fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 12 }),
    batch: fc.integer({ min: 1, max: 64 }),
    seed: fc.nat(),
  })
  .map(
    ({ batches, batch, seed }): ChainSettings => ({
      batch,
      seed,
      databases: batches.map((n, i) => ({ name: `train-${i}`, records: n * batch, checksum: `${i}` })),
    }),
  );

describe('the chain', () => {
  test('visits every database once in an epoch, and leaves no iteration out', () => {
    fc.assert(
      fc.property(chains, chain => {
        const perEpoch = chain.databases.length;
        let iteration = 0;
        for (let epoch = 1; epoch <= 3; epoch++) {
          const segments = chain.databases.map((_, i) => segmentAt(chain, (epoch - 1) * perEpoch + i));
          expect(new Set(segments.map(({ database }) => database.name)).size).toBe(perEpoch);
          for (const segment of segments) {
            expect(segment).toMatchObject({ epoch, from: iteration });
            expect(segment.to - segment.from).toBe(segment.database.records / chain.batch);
            iteration = segment.to;
          }
        }
        expect(iteration).toBe(3 * iterationsPerEpoch(chain));
      }),
    );
  });

  test('has an order of its own in every epoch, the same at every run', () => {
    const databases = Array.from({ length: 12 }, (_, i) => ({ name: `train-${i}`, records: 10, checksum: `${i}` }));
    const order = (seed: number, epoch: number) =>
      epochOrder({ databases, batch: 10, seed }, epoch)
        .map(({ name }) => name)
        .join();
    expect(order(1, 1)).toBe(order(1, 1));
    expect(new Set([order(1, 1), order(1, 2), order(1, 3), order(2, 1)]).size).toBe(4);
  });

  test('gives every segment a seed that Caffe takes for one', () => {
    const seeds = new Set<number>();
    const chain = { databases: [{ name: 'train-00', records: 10, checksum: '' }], batch: 10, seed: 1 };
    for (let n = 0; n < 100; n++) seeds.add(segmentAt(chain, n).seed);
    expect(seeds.size).toBe(100);
    for (const seed of seeds) expect(seed).toBeLessThan(2 ** 31);
  });
});

describe('the key of a segment', () => {
  const planned = segmentAt({ databases: [{ name: 'train-00', records: 10, checksum: 'c' }], batch: 10, seed: 1 }, 0);
  const ingredients = { previous: null, planned, net: 'n', solver: 's', mean: 'm', weights: null, classWeights: null };

  test('hangs on all that goes into it', () => {
    const others = [
      { previous: 'p' },
      { planned: { ...planned, database: { ...planned.database, checksum: 'd' } } },
      { planned: { ...planned, to: 2 } },
      { net: 'o' },
      { solver: 't' },
      { mean: 'n' },
      { weights: 'w' },
      { classWeights: [[1, 2]] as const },
    ];
    const keys = [{}, ...others].map(other => segmentKey({ ...ingredients, ...other }));
    expect(new Set(keys).size).toBe(keys.length);
    for (const key of keys) expect(key).toMatch(/^[0-9a-f]{16}$/);
  });

  test('does not hang on what the database is called', () => {
    const renamed = { ...planned, database: { ...planned.database, name: 'train-07' } };
    expect(segmentKey({ ...ingredients, planned: renamed })).toBe(segmentKey(ingredients));
  });
});

describe('the solver of a segment', () => {
  const planned = {
    segment: 3,
    epoch: 2,
    database: { name: 'train-00', records: 0, checksum: '' },
    from: 90,
    to: 120,
    seed: 7,
  };
  const solver = (policy: RatePolicy) => printPrototxt(segmentSolver(planned, 300, { baseRate: 0.01, policy }));

  test('golden file', async () => {
    await expect(solver({ type: 'step', step: 33, gamma: 0.1 })).toMatchFileSnapshot('./fixtures/solver.prototxt');
  });

  test.each<[RatePolicy, string]>([
    [{ type: 'fixed' }, 'lr_policy: "fixed"'],
    [{ type: 'multistep', steps: [85, 50], gamma: 0.5 }, 'gamma: 0.5\nstepvalue: 150\nstepvalue: 255'],
    [{ type: 'exp', gamma: 0.95 }, `gamma: ${0.95 ** (1 / 3)}`],
    [{ type: 'inv', gamma: 0.1, power: 0.5 }, `gamma: ${0.1 / 3}\npower: 0.5`],
    [
      { type: 'sigmoid', step: 50, gamma: 0.1 },
      `base_lr: ${0.01 / (1 + Math.exp((0.1 / 3) * (105 - 150)))}\nlr_policy: "fixed"`,
    ],
    [{ type: 'poly', power: 3 }, `base_lr: ${0.01 * (1 - 105 / 300) ** 3}\nlr_policy: "fixed"`],
  ])('%j', (policy, text) => expect(solver(policy)).toContain(text));

  test('accumulates batches where asked to', async () => {
    const policy: RatePolicy = { type: 'poly', power: 3 };
    const text = printPrototxt(segmentSolver(planned, 300, { baseRate: 0.01, policy, accumulate: 4 }));
    await expect(text).toMatchFileSnapshot('./fixtures/solver-accumulating.prototxt');
  });

  test('beyond the planned end keeps the last rate, or has the one that was given', () => {
    const beyond = { ...planned, from: 300, to: 330 };
    const step: RatePolicy = { type: 'step', step: 33, gamma: 0.1 };
    const text = (rate: number | null) =>
      printPrototxt(segmentSolver(beyond, 300, { baseRate: 0.01, policy: step }, rate));
    expect(text(null)).toContain(`base_lr: ${0.01 * 0.1 ** 3}\nlr_policy: "fixed"`);
    expect(text(0.002)).toContain('base_lr: 0.002\nlr_policy: "fixed"');
  });

  test('displays the last iteration and one before, whatever they are', () => {
    fc.assert(
      fc.property(fc.nat(500), fc.integer({ min: 1, max: 500 }), (from, length) => {
        const segment = { ...planned, from, to: from + length };
        const display = segmentSolver(segment, 2000, { baseRate: 1, policy: { type: 'fixed' } }).number('display')!;
        expect(segment.to % display).toBe(0);
        expect(segment.to - display).toBeGreaterThanOrEqual(from);
        expect(display).toBeLessThanOrEqual(5);
      }),
    );
  });
});
