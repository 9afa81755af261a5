import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { forkedInput, trainingAt, trainingOf } from '../../config/forks.ts';
import type { PipelineInput } from '../../config/input.ts';
import { resolveInput } from '../../config/resolve.ts';

const plain = resolveInput({ training: { epochs: 30 } });
const withForks = (forks: unknown): PipelineInput => resolveInput({ training: { epochs: 30, forks } as never });
const fork = fc.record({
  split: fc.integer({ min: 0, max: 3 }),
  epoch: fc.integer({ min: 1, max: 29 }),
  set: fc.record({ baseRate: fc.double({ min: 0.001, max: 0.009, noNaN: true }) }),
});

describe('forks of a training', () => {
  test('an epoch has the settings of the last fork of its split that lies before it; without forks, its own', () => {
    fc.assert(
      fc.property(fc.array(fork, { maxLength: 4 }), fc.nat(3), fc.integer({ min: 1, max: 30 }), (forks, k, epoch) => {
        const begun = forks.filter(({ split, epoch: after }) => split === k && after < epoch);
        const { baseRate } = plain.training;
        const settings = trainingAt({ ...plain.training, forks }, [k], epoch);
        expect(settings).toEqual({ ...plain.training, baseRate: begun.at(-1)?.set.baseRate ?? baseRate });
      }),
    );
    expect(trainingAt(plain.training, [0], Number.POSITIVE_INFINITY)).toEqual(plain.training);
  });

  test('what names a training knows nothing of the forks of other splits, nor of whose fork it is', () => {
    const { training } = withForks([{ run: 'a', split: 1, epoch: 12, set: { baseRate: 0.001 } }]);
    expect(JSON.stringify(trainingOf(training, [0]))).toBe(JSON.stringify(plain.training));
    expect(trainingOf(training, [1]).forks).toEqual([{ split: 1, epoch: 12, set: { baseRate: 0.001 } }]);
    expect(trainingOf(training, [0, 1, 2, 3]).forks).toHaveLength(1);
  });

  test('a fork of a fork has both; given whole, an input stays what it is', () => {
    const first = [{ run: 'a', split: 1, epoch: 12, set: { baseRate: 0.001 } }];
    const from = withForks(first);
    const more = [{ run: 'b', split: 2, epoch: 5, set: { seed: 7 } }];
    const both = resolveInput(forkedInput(from, { training: { forks: more } }));
    expect(both).toEqual(withForks([...first, ...more]));
    expect(resolveInput(forkedInput(from, both))).toEqual(both);
  });

  test('the regression may be another one; what lies before the fork may not', () => {
    const forks = [{ run: 'a', split: 1, epoch: 12, set: { baseRate: 0.001 } }];
    expect(forkedInput(plain, { training: { forks }, regression: { fellowEye: true } }).regression).toMatchObject({
      fellowEye: true,
    });
    expect(() => forkedInput(plain, { training: { forks, batch: 8 } })).toThrow(
      'Expected a fork to leave the input of a as it is up to its epoch, got training.batch 32 → 8: `set` of the fork has what changes from there on',
    );
    expect(() => forkedInput(plain, { training: { forks }, folds: { seed: 9 } })).toThrow('folds.seed 2 → 9');
  });

  test.each([
    [
      { split: 1, epoch: 30, set: { baseRate: 0.001 } },
      'Expected `training.forks.0.epoch` to be below its 30 epochs, got `30`',
    ],
    [{ split: 1, epoch: 3, set: { epochs: 3 } }, 'Expected `training.forks.0.epoch` to be below its 3 epochs, got `3`'],
    [{ split: 1, epoch: 3, set: {} }, 'Expected `training.forks.0.set` to change something, got `{}`'],
    [{ split: 1, epoch: 3, set: { epochs: 30 } }, /^Expected `training.forks.0.set` to change something/],
    [
      { split: 1, epoch: 3, set: { batch: 8 } },
      /^Expected a known field, got `training.forks.0.set.batch`: known are epochs, baseRate/,
    ],
    [{ split: 4, epoch: 3, set: { seed: 8 } }, 'Expected `training.forks.0.split` to be an integer up to 3, got `4`'],
  ])('%j is refused with one clear line', (fork, message) => {
    expect(() => withForks([fork])).toThrow(message);
  });

  test('a later fork of a split lies behind the earlier one', () => {
    const at = (epoch: number) => ({ split: 0, epoch, set: { seed: epoch } });
    expect(() => withForks([at(5), at(4)])).toThrow(
      'Expected `training.forks.1.epoch` to be from 5, where the fork before is, got `4`',
    );
    expect(withForks([at(5), at(9)]).training.forks).toHaveLength(2);
  });
});
