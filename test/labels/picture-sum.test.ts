import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Bitmap, versionOf } from '../../activities/images/bitmap.ts';
import { meanOfSums, type PictureSum, SumOfVersions } from '../../activities/labels/image-sum.ts';
import { VERSIONS } from '../../config/input.ts';

/** Eyes of one size, each with the version that is read and those that are trained on. */
const sets = fc.tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 6 })).chain(([width, height]) => {
  const length = width * height * 3;
  const eye = fc.record({
    a: fc.uint8Array({ minLength: length, maxLength: length }).map((data): Bitmap => ({ data, width, height })),
    given: fc.constantFrom(...VERSIONS),
    wanted: fc.subarray([...VERSIONS], { minLength: 1 }),
  });
  return fc.array(eye, { minLength: 1, maxLength: 8 });
});

const plain = (data: number[], records: number, width = 1): PictureSum => ({
  ...{ data: Float64Array.from(data), width, height: 1, records },
});

test('from one version of each eye comes the sum of all those that are wanted', () => {
  fc.assert(
    fc.property(sets, eyes => {
      const sum = new SumOfVersions();
      for (const { a, given, wanted } of eyes) sum.add(versionOf(a, given), given, wanted);
      const pictures = eyes.flatMap(({ a, wanted }) => wanted.map(version => versionOf(a, version)));
      const { width, height } = pictures[0]!;
      const data = Float64Array.from({ length: width * height * 3 }, (_, i) =>
        pictures.reduce((all, picture) => all + picture.data[i]!, 0),
      );
      expect(sum.total()).toEqual({ data, width, height, records: pictures.length });
    }),
  );
});

test('the mean has blue first, one colour after the other, over the records of all sums', () => {
  const mean = meanOfSums([plain([1, 2, 3, 4, 5, 6], 1, 2), plain([7, 8, 9, 10, 11, 12], 3, 2)]);
  expect(mean).toEqual({ num: 1, channels: 3, height: 1, width: 2, data: [3, 4.5, 2.5, 4, 2, 3.5] });
});

test('pictures of several sizes have no mean', () => {
  const sum = new SumOfVersions();
  sum.add({ data: new Uint8Array(3), width: 1, height: 1 }, 'a', ['a']);
  expect(() => sum.add({ data: new Uint8Array(6), width: 2, height: 1 }, 'a', ['a'])).toThrow(
    'Expected pictures of one size for their mean, got 1×1 and 2×1',
  );
  expect(() => meanOfSums([plain([0, 0, 0], 1), plain([0, 0, 0, 0, 0, 0], 1, 2)])).toThrow('got 1×1 and 2×1');
});

test('nothing has no mean', () => {
  expect(() => new SumOfVersions().total()).toThrow('Expected at least one picture');
  expect(() => meanOfSums([])).toThrow('Expected at least one sum');
});
