import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Bitmap, versionOf } from '../../activities/images/bitmap.ts';

const bitmaps = fc
  .tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 }))
  .chain(([width, height]) =>
    fc
      .uint8Array({ minLength: width * height * 3, maxLength: width * height * 3 })
      .map((data): Bitmap => ({ data, width, height })),
  );
const pixel = ({ data, width }: Bitmap, x: number, y: number) => [
  ...data.subarray((y * width + x) * 3, (y * width + x) * 3 + 3),
];

test('each version has each pixel where the rotation or mirror puts it', () => {
  fc.assert(
    fc.property(bitmaps, picture => {
      const { width, height } = picture;
      const [a, r, fa, fr] = (['a', 'r', 'fa', 'fr'] as const).map(version => versionOf(picture, version));
      for (let y = 0; y < height; y++) {
        for (let x = 0; x < width; x++) {
          const original = pixel(picture, x, y);
          expect(pixel(a!, x, y)).toEqual(original);
          expect(pixel(r!, width - 1 - x, height - 1 - y)).toEqual(original);
          expect(pixel(fa!, width - 1 - x, y)).toEqual(original);
          expect(pixel(fr!, x, height - 1 - y)).toEqual(original);
        }
      }
    }),
    { numRuns: 50 },
  );
});

test('the source stays as it was', () => {
  const picture = { data: Uint8Array.from([1, 2, 3, 4, 5, 6]), width: 2, height: 1 };
  for (const version of ['a', 'r', 'fa', 'fr'] as const) versionOf(picture, version);
  expect([...picture.data]).toEqual([1, 2, 3, 4, 5, 6]);
});
