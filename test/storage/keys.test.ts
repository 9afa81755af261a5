import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalJson, contentKey } from '../../storage/content-key.ts';
import { checkKey, keySegment } from '../../storage/key-syntax.ts';
import type { Json } from '../../storage/manifest.ts';

const json = fc.jsonValue() as fc.Arbitrary<Json>;

/** The same value with every object's fields in another order. */
function shuffled(value: Json): Json {
  if (Array.isArray(value)) return value.map(shuffled);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([name, field]) => [name, shuffled(field)]),
  );
}

describe('canonicalJson', () => {
  it('does not depend on the order of fields, and loses nothing', () => {
    fc.assert(
      fc.property(json, value => {
        expect(canonicalJson(shuffled(value))).toBe(canonicalJson(value));
        expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  it('sorts, and keeps the order of lists', () => {
    expect(canonicalJson({ b: [2, 1], a: { d: null, c: 'x' } })).toBe('{"a":{"c":"x","d":null},"b":[2,1]}');
  });

  it('refuses what JSON would turn into null', () => {
    expect(() => canonicalJson({ a: Number.NaN })).toThrow('Expected JSON, got NaN');
  });
});

describe('contentKey', () => {
  const work = fc.record({
    stage: fc.string(),
    recipe: fc.nat(),
    inputs: fc.dictionary(fc.string(), fc.string()),
    parameters: json,
  });

  it('is 16 hex digits, equal for equal work only', () => {
    fc.assert(
      fc.property(work, work, (a, b) => {
        expect(contentKey(a)).toMatch(/^[0-9a-f]{16}$/);
        expect(contentKey(a) === contentKey(b)).toBe(canonicalJson(a) === canonicalJson(b));
      }),
    );
  });

  it('stays what it is: a change would make every store forget its work', () => {
    const parameters = { size: 256, fuzz: 0.15, versions: ['a', 'r'] };
    expect(contentKey({ stage: 'prepare', recipe: 1, inputs: { archive: '0badcafe' }, parameters })).toBe(
      'fcbe8a2f4781d5da',
    );
  });
});

describe('keySegment', () => {
  it('makes a segment of any name, another one for another name', () => {
    const name = fc.string({ unit: fc.constantFrom(...'a2f_.-/ é😀'), minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(name, name, (a, b) => {
        checkKey(keySegment(a));
        expect(keySegment(a) === keySegment(b)).toBe(a === b);
      }),
      {
        numRuns: 100,
        examples: [
          ['a_b', 'a/b'],
          ['.', '..'],
          ['a_2f_b', 'a/b'],
          ['.a', '_2e_a'],
        ],
      },
    );
  });

  it('leaves the ids that people type', () => {
    for (const name of ['dr-2026-11', 'synthetic-a1b2c3', 'train-0-vs-1234', 'v1.2'])
      expect(keySegment(name)).toBe(name);
  });
});
