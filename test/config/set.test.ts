import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { differences, mergeInputs, parseSetting } from '../../config/merge.ts';

describe('--set', () => {
  it.each([
    ['training.epochs=4', { training: { epochs: 4 } }],
    ['until=label', { until: 'label' }],
    ['training.classWeights=true', { training: { classWeights: true } }],
    ['training.weights=null', { training: { weights: null } }],
    ['images.versions=["a","r"]', { images: { versions: ['a', 'r'] } }],
    ['training.policy={"type":"fixed"}', { training: { policy: { type: 'fixed' } } }],
    ['source=http://127.0.0.1:80/?a=b', { source: 'http://127.0.0.1:80/?a=b' }],
    ['archive.entries=^\\d+\n$', { archive: { entries: '^\\d+\n$' } }],
    ['source=', { source: '' }],
  ])('reads %j', (setting, input) => {
    expect(parseSetting(setting)).toEqual(input);
  });

  it.each(['training.epochs', '=4', '.a=4', 'a.=4', 'a..b=4', 'a b=4', '__proto__=4'])('refuses %j', setting => {
    expect(() => parseSetting(setting)).toThrow(
      `Expected --set to be PATH=VALUE (training.epochs=4), got \`${setting}\``,
    );
  });
});

describe('mergeInputs', () => {
  const value = fc.oneof(fc.integer(), fc.string(), fc.constant(null), fc.array(fc.integer()));
  const input = fc.dictionary(
    fc.constantFrom('a', 'b', 'c'),
    fc.oneof(value, fc.dictionary(fc.constantFrom('x', 'y'), value)),
  );

  it('keeps what is not given, and takes all that is', () => {
    fc.assert(
      fc.property(input, given => {
        expect(mergeInputs({}, given as never)).toEqual(given);
        expect(mergeInputs(given as never, {})).toEqual(given);
        expect(mergeInputs(given as never, given as never)).toEqual(given);
      }),
    );
    expect(mergeInputs({ training: { epochs: 1, batch: 2 } }, { training: { epochs: 3 } })).toEqual({
      training: { epochs: 3, batch: 2 },
    });
  });

  it('leaves its arguments as they are', () => {
    const under = { training: { epochs: 1 } };
    mergeInputs(under, { training: { epochs: 3 } });
    expect(under).toEqual({ training: { epochs: 1 } });
  });
});

describe('differences', () => {
  it('names each field that changed', () => {
    expect(differences({ a: { b: 1, c: 2 }, d: [1] }, { a: { b: 1, c: 3, e: null }, d: [1, 2] })).toEqual([
      'a.c 2 → 3',
      'a.e absent → null',
      'd [1] → [1,2]',
    ]);
    expect(differences({ a: [{ b: 1 }] }, { a: [{ b: 1 }] })).toEqual([]);
  });
});
