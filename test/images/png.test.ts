import fc from 'fast-check';
import sharp from 'sharp';
import { expect, test } from 'vitest';
import type { Bitmap } from '../../activities/images/bitmap.ts';
import { encodePng } from '../../activities/images/png.ts';

const bitmaps = fc.tuple(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 20 })).chain(([width, height]) => {
  const length = width * height * 3;
  return fc.uint8Array({ minLength: length, maxLength: length }).map((data): Bitmap => ({ data, width, height }));
});

test('libpng reads from it the very pixels that were written', async () => {
  await fc.assert(
    fc.asyncProperty(bitmaps, async ({ data, width, height }) => {
      const png = await encodePng({ data, width, height });
      const read = await sharp(png, { failOn: 'warning' }).raw().toBuffer({ resolveWithObject: true });
      expect(read.info).toMatchObject({ width, height, channels: 3 });
      expect(read.data.equals(data)).toBe(true);
    }),
    { numRuns: 100 },
  );
});

test('a smooth picture takes a fraction of its pixels', async () => {
  const side = 256;
  const data = Uint8Array.from({ length: side * side * 3 }, (_, at) => Math.floor(at / 3 / 4) % 200);
  const png = await encodePng({ data, width: side, height: side });
  expect(png.length).toBeLessThan(data.length / 10);
  expect(await sharp(png).metadata()).toMatchObject({ format: 'png', depth: 'uchar', space: 'srgb', hasAlpha: false });
});
