/**
 * Prepares images like the competition's winner, B. Graham (preprocessImages.py, 2015). Every eye is scaled to one radius, and the local
 * average color is subtracted. The rim is masked out, because subtraction leaves a bright ring there. Afterwards cameras and
 * lighting differ less, and small lesions stand out.
 */
import type { Bitmap } from './bitmap.ts';
import type { Box } from './crop.ts';
import { pixels, resizeBox } from './pixels.ts';

/** Gray level of the masked area, and the average of the rest. */
export const GREY = 128;
/** Contrast of differences from the surroundings. */
const GAIN = 4;
/** Share of the radius that is kept. */
export const KEPT = 0.9;
/** Standard deviation of the blur as a share of the radius: 10 pixels of 300. */
const BLUR = 1 / 30;
/** Smallest share of the row. Below it the trimmed box does not hold an eye, and scaling it up would give an image of nothing. */
const NARROWEST = 0.5;

/**
 * Returns the enhanced square.
 * @param picture the whole image
 * @param box of the eye within it
 * @param size side of the square; the eye's radius becomes half of it, and nine tenths of that are kept
 * @returns undefined where no radius can be measured, because the middle row shows too little of an eye
 */
export async function enhance(picture: Bitmap, box: Box, size: number): Promise<Bitmap | undefined> {
  const radius = eyeRadius(picture, box);
  if (radius * 2 < box.width * NARROWEST) return undefined;
  // The rows beyond the radius are not kept, and are too far from the kept ones to be blurred into them.
  const height = Math.min(box.height, 2 * Math.ceil(radius));
  const rows = { ...box, top: box.top + ((box.height - height) >> 1), height };
  const scale = size / 2 / radius;
  const scaled = await resizeBox(picture, rows, {
    width: Math.round(box.width * scale),
    height: Math.max(1, Math.round(height * scale)),
  });
  const average = await pixels(scaled)
    .blur({ sigma: (size / 2) * BLUR, minAmplitude: 0.01 })
    .raw()
    .toBuffer();
  return masked(scaled, average, size);
}

/** Returns half the number of pixels in the box's middle row above a tenth of their mean brightness, as the winner measured it. */
export function eyeRadius({ data, width }: Bitmap, box: Box): number {
  const row = (box.top + (box.height >> 1)) * width + box.left;
  const brightness = Array.from({ length: box.width }, (_, x) => {
    const at = (row + x) * 3;
    return data[at]! + data[at + 1]! + data[at + 2]!;
  });
  const limit = brightness.reduce((sum, value) => sum + value, 0) / box.width / 10;
  return brightness.filter(value => value > limit).length / 2;
}

/**
 * Returns four times the difference from the average, around gray, within the circle, and gray elsewhere. Centers both images on the
 * square.
 */
function masked({ data, width, height }: Bitmap, average: Uint8Array, size: number): Bitmap {
  const canvas = new Uint8Array(size * size * 3).fill(GREY);
  const left = Math.ceil((size - width) / 2);
  const top = Math.ceil((size - height) / 2);
  const middle = (size - 1) / 2;
  const kept = ((size / 2) * KEPT) ** 2;
  for (let y = Math.max(0, top); y < Math.min(size, top + height); y++) {
    for (let x = Math.max(0, left); x < Math.min(size, left + width); x++) {
      if ((x - middle) ** 2 + (y - middle) ** 2 > kept) continue;
      const from = ((y - top) * width + x - left) * 3;
      const to = (y * size + x) * 3;
      for (let c = 0; c < 3; c++) {
        const value = GREY + GAIN * (data[from + c]! - average[from + c]!);
        canvas[to + c] = Math.min(255, Math.max(0, value));
      }
    }
  }
  return { data: canvas, width: size, height: size };
}
