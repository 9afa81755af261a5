import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Bitmap } from '../../activities/images/bitmap.ts';
import { type Estimate, estimateBox, settleBox } from '../../activities/images/bounding-box.ts';
import { type Box, trimBox } from '../../activities/images/crop.ts';

const FUZZ = 0.15;
const FACTOR = 6;
const whole = { width: 1200, height: 900 };
const options = { fuzz: FUZZ, size: 256 };

/** A photograph of whatever brightness a place has. */
function drawn(brightness: (x: number, y: number) => number): Bitmap {
  const data = new Uint8Array(whole.width * whole.height * 3);
  for (let y = 0, at = 0; y < whole.height; y++) {
    for (let x = 0; x < whole.width; x++, at += 3) data[at] = data[at + 1] = data[at + 2] = brightness(x, y);
  }
  return { data, ...whole };
}

/** Means of blocks, as libjpeg makes them. */
function shrink(picture: Bitmap): Bitmap {
  const [width, height] = [picture.width / FACTOR, picture.height / FACTOR];
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      let sum = 0;
      for (let row = 0; row < FACTOR; row++) {
        for (let column = 0; column < FACTOR; column++) {
          sum += picture.data[((y * FACTOR + row) * picture.width + x * FACTOR + column) * 3]!;
        }
      }
      data.fill(Math.round(sum / FACTOR ** 2), (y * width + x) * 3, (y * width + x + 1) * 3);
    }
  }
  return { data, width, height };
}

function cutOut({ data, width }: Bitmap, box: Box): Bitmap {
  const rows = Array.from({ length: box.height }, (_, y) => {
    const from = ((box.top + y) * width + box.left) * 3;
    return data.subarray(from, from + box.width * 3);
  });
  return { data: new Uint8Array(Buffer.concat(rows)), width: box.width, height: box.height };
}

/** The box after all that is needed to find it, and whether a look at the whole photograph was. */
function boxOf(photograph: Bitmap): { box: Box; looked: Estimate['unsure'] } {
  const shrunk = shrink(photograph);
  const estimate = estimateBox(shrunk, whole, options)!;
  const { box, unsure } = estimate;
  if (unsure === undefined) return { box, looked: undefined };
  return { box: settleBox({ box, unsure }, cutOut(photograph, unsure.region), shrunk, whole, FUZZ), looked: unsure };
}

const ends = ({ left, top, width, height }: Box) => [left, top, left + width, top + height];
const farthest = (one: Box, other: Box) => Math.max(...ends(one).map((end, n) => Math.abs(end - ends(other)[n]!)));

/** A disc whose rim rises over `rim` pixels. */
const disc = (x: number, y: number, radius: number, rim: number) =>
  drawn((atX, atY) => {
    const within = radius - Math.hypot(atX + 0.5 - x, atY + 0.5 - y);
    return Math.min(180, Math.max(2, 2 + (178 * (within + rim / 2)) / rim));
  });

describe('the box of an eye in a photograph that is decoded smaller', () => {
  test('is right to less than a pixel of the smaller one, wherever the disc lies and however sharp its rim is', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 560, max: 640, noNaN: true }),
        fc.double({ min: 420, max: 480, noNaN: true }),
        fc.double({ min: 300, max: 500, noNaN: true }),
        fc.double({ min: 1, max: 12, noNaN: true }),
        (x, y, radius, rim) => {
          const photograph = disc(x, y, radius, rim);
          expect(farthest(boxOf(photograph).box, trimBox(photograph, FUZZ)!)).toBeLessThan(FACTOR);
        },
      ),
      { numRuns: 6 },
    );
  });

  /** A column of faint light beside the disc, in whose noise some pixels lie above the limit. */
  const faded = (level: number, noise: number) =>
    drawn((x, y) => {
      if (Math.hypot(x - 600, y - 450) < 380) return 170;
      const lit = x > 120 && x < 600 && Math.abs(y - 450) < 60;
      return lit ? level + ((x * 7 + y * 13) % 11 === 0 ? noise : 0) : 2;
    });

  test('is looked up where light fades: what noise lifts above the limit counts, as in the whole photograph', () => {
    const photograph = faded(34, 10);
    const truth = trimBox(photograph, FUZZ)!;
    expect(truth.left).toBeLessThan(140);
    const { box, looked } = boxOf(photograph);
    expect(looked!.sides).toEqual(['left']);
    expect(looked!.region.width).toBeLessThan(whole.width / 2);
    expect(Math.abs(box.left - truth.left)).toBeLessThanOrEqual(1);
  });

  test('stays where it was when the look shows nothing above the limit', () => {
    const photograph = faded(34, 0);
    const { box, looked } = boxOf(photograph);
    expect(looked!.sides).toEqual(['left']);
    expect(farthest(box, trimBox(photograph, FUZZ)!)).toBeLessThan(FACTOR);
  });

  test('is looked up where half a pixel decides how its shorter side is rounded', () => {
    // 256 × 741 / 1000 = 189.7 needs no look, 256 × 740.23 / 1000 = 189.5 does.
    const rectangle = (height: number) =>
      drawn((x, y) => (x >= 100 && x < 1100 && y >= 60 && y < 60 + height ? 170 : 2));
    expect(boxOf(rectangle(742)).looked).toBeUndefined();
    const close = rectangle(740);
    const { box, looked } = boxOf(close);
    expect(looked!.sides).toEqual(['left', 'top', 'right', 'bottom']);
    expect(box).toEqual(trimBox(close, FUZZ));
  });

  test('reaches to where the frame cuts the eye off', () => {
    const photograph = drawn((x, y) => (Math.hypot(x - 600, y - 450) < 520 ? 170 : 2));
    const { box } = boxOf(photograph);
    expect([box.top, box.height]).toEqual([0, whole.height]);
    expect(farthest(box, trimBox(photograph, FUZZ)!)).toBeLessThan(FACTOR);
  });

  test('is none in a photograph of one colour', () => {
    expect(estimateBox(shrink(drawn(() => 30)), whole, options)).toBeUndefined();
  });
});
