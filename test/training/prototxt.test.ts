import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Field,
  Message,
  parsePrototxt,
  printPrototxt,
  type Value,
  word,
} from '../../activities/caffe/prototxt.ts';

const scalar: fc.Arbitrary<Value> = fc.oneof(
  fc.string({ unit: 'grapheme-ascii' }),
  fc.double({ noNaN: true, noDefaultInfinity: true }).filter(value => !Object.is(value, -0)),
  fc.integer(),
  fc.boolean(),
  fc.constantFrom('LMDB', 'MAX', 'TRAIN').map(word),
);
const { root } = fc.letrec<{ root: Message; value: Value }>(tie => ({
  value: fc.oneof({ depthSize: 'small' }, scalar, tie('root')),
  root: fc
    .array(fc.tuple(fc.constantFrom('layer', 'name', 'bottom', 'param', 'x_1'), tie('value')), { maxLength: 5 })
    .map(fields => new Message(fields as Field[])),
}));

test('what is written is read back', () => {
  fc.assert(
    fc.property(root, value => {
      expect(parsePrototxt(printPrototxt(value))).toEqual(value);
    }),
  );
});

describe('the forms Caffe reads', () => {
  test.each([
    ['layer: { name: "a" }', 'layer { name: "a" }\n'],
    ["name: 'it''s'", 'name: "its"\n'],
    ['a: 1, b: 2; c: -3e-2f # the end', 'a: 1\nb: 2\nc: -0.03\n'],
    ['dim: [1, 3, 224]', 'dim: 1\ndim: 3\ndim: 224\n'],
    ['phase: TEST flag: true', 'phase: TEST\nflag: true\n'],
    ['a {}\nb { c { d: .5 } }', 'a { }\nb {\n  c { d: 0.5 }\n}\n'],
    ['name: "a \\"b\\" c"', 'name: "a \\"b\\" c"\n'],
  ])('%s', (text, printed) => expect(printPrototxt(parsePrototxt(text))).toBe(printed));
});

describe('what is wrong is named with its line', () => {
  test.each([
    ['layer {\n  name: "a"\n', 'Expected `}`, got the end'],
    ['a: 1\n}', 'Expected a field, got `}` in line 2'],
    ['a: 1\nb\n', 'Expected `:` or `{`, got the end'],
    ['a: "open\n', 'Expected a value, got `"` in line 1'],
    ['\n\n7: 1', 'Expected the name of a field, got `7` in line 3'],
    ['a: [1, 2', 'Expected a value, got the end'],
  ])('%j', (text, message) => expect(() => parsePrototxt(text)).toThrow(message));
});

test('a field is replaced where it stands', () => {
  const layer = parsePrototxt('name: "a" bottom: "b" bottom: "c" top: "d"');
  expect(printPrototxt(layer.with('bottom', 'x'))).toBe('name: "a"\nbottom: "x"\ntop: "d"\n');
  expect(printPrototxt(layer.with('type', 'ReLU'))).toContain('top: "d"\ntype: "ReLU"');
});
