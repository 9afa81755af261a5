import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Bitmap } from '../../activities/images/bitmap.ts';
import {
  blurEye,
  defaultOcclusion,
  eyeMask,
  occluded,
  occlusionMap,
  placesOn,
} from '../../inference/explain/occlusion.ts';

const SIZE = 48;

/** A round eye of one colour on black, with a dark spot of 4 × 4 pixels. */
function eyeWithSpot(x: number, y: number): Bitmap {
  const data = new Uint8Array(SIZE * SIZE * 3);
  for (let i = 0; i < SIZE * SIZE; i++) {
    const [column, row] = [i % SIZE, Math.floor(i / SIZE)];
    if (Math.hypot(column + 0.5 - SIZE / 2, row + 0.5 - SIZE / 2) > SIZE / 2) continue;
    const spot = column >= x && column < x + 4 && row >= y && row < y + 4;
    data.set(spot ? [60, 20, 20] : [180, 90, 40], 3 * i);
  }
  return { data, width: SIZE, height: SIZE };
}

/** What a network that only knows dark spots would say. */
const darkness = ({ data }: Bitmap) => {
  let sum = 0;
  for (let i = 0; i < data.length; i += 3) if (data[i]! > 16) sum += Math.max(0, 150 - data[i]!);
  return sum;
};

test('the map of a value that only a spot makes is highest on it, wherever it lies', () => {
  const options = { grid: 24, patch: 8 };
  fc.assert(
    fc.property(fc.integer({ min: 12, max: 32 }), fc.integer({ min: 12, max: 32 }), (x, y) => {
      const picture = eyeWithSpot(x, y);
      const places = placesOn(picture, options);
      const falls = [...occluded(picture, places, options.patch)].map(copy => darkness(picture) - darkness(copy));
      const map = occlusionMap(SIZE, places, falls);
      const highest = map.indexOf(Math.max(...map));
      const [column, row] = [highest % SIZE, Math.floor(highest / SIZE)];
      expect([column >= x - 1 && column <= x + 4, row >= y - 1 && row <= y + 4]).toEqual([true, true]);
      for (const [at, value] of map.entries())
        if (Math.hypot((at % SIZE) - x, at / SIZE - y) > 20) expect(value).toBe(0);
    }),
    { numRuns: 10 },
  );
});

test('only the eye is covered, each pixel of it by some place, and what is covered loses what is small', () => {
  const picture = eyeWithSpot(20, 20);
  const options = defaultOcclusion(SIZE);
  const places = placesOn(picture, options);
  const mask = eyeMask(picture);
  const cover = new Float32Array(SIZE * SIZE);
  for (const { pixels } of places) for (const { at, cover: by } of pixels) cover[at]! += by;
  for (const [at, on] of mask.entries()) expect(cover[at]! > 0).toBe(on === 1);
  // The black around it takes no part: near the rim the blurred eye is as bright as the eye.
  const blurred = blurEye(picture, mask, 3);
  expect(blurred.data[3 * (SIZE / 2)]).toBe(180);
  expect(blurred.data[3 * (22 * SIZE + 22)]!).toBeGreaterThan(picture.data[3 * (22 * SIZE + 22)]! + 40);
});
