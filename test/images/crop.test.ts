import { describe, expect, test } from 'vitest';
import { type Bitmap, centreOnBlack } from '../../activities/images/bitmap.ts';
import { fittedSize, scaleBox, trimBox } from '../../activities/images/crop.ts';
import { decodeSize } from '../../activities/images/decode-jpeg.ts';

/** A picture of one colour with boxes of others. */
function drawn(
  width: number,
  height: number,
  ground: number[],
  ...boxes: { at: [number, number, number, number]; colour: number[] }[]
): Bitmap {
  const data = new Uint8Array(width * height * 3);
  for (let n = 0; n < width * height; n++) data.set(ground, n * 3);
  for (const { at, colour } of boxes) {
    const [left, top, w, h] = at;
    for (let y = top; y < top + h; y++) {
      for (let x = left; x < left + w; x++) data.set(colour, (y * width + x) * 3);
    }
  }
  return { data, width, height };
}

describe('trimBox', () => {
  const fuzz = 0.15;

  test('keeps exactly the box that differs from the ground', () => {
    const picture = drawn(20, 12, [0, 0, 0], { at: [5, 3, 9, 7], colour: [200, 100, 50] });
    expect(trimBox(picture, fuzz)).toEqual({ left: 5, top: 3, width: 9, height: 7 });
  });

  test('takes the mean over the channels: 38.25 in each is border, one more is not', () => {
    const at: [number, number, number, number] = [4, 4, 2, 2];
    expect(trimBox(drawn(10, 10, [0, 0, 0], { at, colour: [38, 38, 38] }), fuzz)).toBeUndefined();
    expect(trimBox(drawn(10, 10, [0, 0, 0], { at, colour: [39, 39, 39] }), fuzz)).toEqual({
      left: 4,
      top: 4,
      width: 2,
      height: 2,
    });
    // One channel alone may be √3 times as far: 66.25.
    expect(trimBox(drawn(10, 10, [0, 0, 0], { at, colour: [66, 0, 0] }), fuzz)).toBeUndefined();
    expect(trimBox(drawn(10, 10, [0, 0, 0], { at, colour: [67, 0, 0] }), fuzz)).toBeDefined();
  });

  test('compares each edge with its own corner', () => {
    // The right strip is near the top-right corner, not the top-left one; the bottom strip is near the bottom-left one.
    const picture = drawn(
      20,
      20,
      [0, 0, 0],
      { at: [15, 0, 5, 20], colour: [60, 60, 60] },
      { at: [0, 16, 20, 4], colour: [70, 70, 70] },
    );
    // Left and top: the first column or row that is far from black is where the strips begin: column 0 (bottom strip), row 0.
    // Right: column 14 is the last one far from 60 grey. Bottom: row 15 is the last one far from 70 grey.
    expect(trimBox(picture, fuzz)).toEqual({ left: 0, top: 0, width: 15, height: 16 });
  });

  test('sees one pixel at each end', () => {
    const colour = [255, 255, 255];
    const picture = drawn(
      30,
      30,
      [10, 0, 0],
      { at: [3, 20, 1, 1], colour },
      { at: [28, 15, 1, 1], colour },
      { at: [12, 1, 1, 1], colour },
      { at: [14, 27, 1, 1], colour },
    );
    expect(trimBox(picture, fuzz)).toEqual({ left: 3, top: 1, width: 26, height: 27 });
  });

  test('finds nothing in a picture of one colour', () => {
    expect(trimBox(drawn(16, 16, [3, 2, 1]), fuzz)).toBeUndefined();
  });
});

test('fittedSize rounds the shorter side and keeps at least a pixel', () => {
  expect(fittedSize({ width: 300, height: 200 }, 256)).toEqual({ width: 256, height: 171 });
  expect(fittedSize({ width: 100, height: 50 }, 256)).toEqual({ width: 256, height: 128 });
  expect(fittedSize({ width: 9000, height: 3 }, 256)).toEqual({ width: 256, height: 1 });
});

test('scaleBox goes to the nearest pixel and stays inside', () => {
  const box = { left: 10, top: 0, width: 85, height: 66 };
  expect(scaleBox(box, { width: 100, height: 66 }, { width: 500, height: 332 })).toEqual({
    left: 50,
    top: 0,
    width: 425,
    height: 332,
  });
  const large = { width: 2592, height: 1944 };
  const small = { width: 432, height: 324 };
  expect(scaleBox({ left: 283, top: 1, width: 2026, height: 1943 }, large, small)).toEqual({
    left: 47,
    top: 0,
    width: 338,
    height: 324,
  });
  expect(scaleBox({ left: 2591, top: 1943, width: 1, height: 1 }, large, small)).toEqual({
    left: 431,
    top: 323,
    width: 1,
    height: 1,
  });
});

test.each([
  ['above', { width: 4, height: 1 }, { left: 0, top: 2 }],
  ['to the left', { width: 1, height: 4 }, { left: 2, top: 0 }],
])('centreOnBlack puts an odd remainder %s', (_, { width, height }, { left, top }) => {
  const { data } = centreOnBlack({ data: new Uint8Array(width * height * 3).fill(255), width, height }, 4);
  const lit = Array.from({ length: 16 }, (_, n) => n).filter(n => data[n * 3]);
  expect(lit).toHaveLength(4);
  expect(lit[0]).toBe(top * 4 + left);
});

test('decodeSize shrinks large photographs by what libjpeg does most of, and leaves others whole', () => {
  expect(decodeSize({ width: 1024, height: 683 }, 256)).toEqual({ width: 1024, height: 683 });
  expect(decodeSize({ width: 1500, height: 1000 }, 256)).toEqual({ width: 500, height: 333 });
  expect(decodeSize({ width: 2592, height: 1944 }, 256)).toEqual({ width: 432, height: 324 });
  expect(decodeSize({ width: 3168, height: 4752 }, 256)).toEqual({ width: 528, height: 792 });
  expect(decodeSize({ width: 4752, height: 3168 }, 512)).toEqual({ width: 1584, height: 1056 });
});
