/** Finds the eye on its dark ground: the border that ImageMagick's `-fuzz F -trim` cuts away. Pure. */
import type { Bitmap } from './bitmap.ts';

export interface Box {
  left: number;
  top: number;
  width: number;
  height: number;
}

/**
 * The box that `-fuzz <fuzz> -trim` keeps. A pixel belongs to the border when it is near the corner pixel: mean over R, G, B of
 * (c − corner)² ≤ (fuzz × 255)². Left and top edges compare with the top-left pixel, the right edge with the top-right one, the
 * bottom edge with the bottom-left one.
 * @param fuzz share of 255, 0–0.9
 * @returns undefined when nothing differs from the corners, or the edges cross: there is no eye to be seen
 */
export function trimBox({ data, width, height }: Bitmap, fuzz: number): Box | undefined {
  const limit = 3 * (fuzz * 255) ** 2;
  const differsFrom = (cornerX: number, cornerY: number) => {
    const corner = (cornerY * width + cornerX) * 3;
    const red = data[corner]!;
    const green = data[corner + 1]!;
    const blue = data[corner + 2]!;
    return (x: number, y: number): boolean => {
      const at = (y * width + x) * 3;
      return (data[at]! - red) ** 2 + (data[at + 1]! - green) ** 2 + (data[at + 2]! - blue) ** 2 > limit;
    };
  };
  const differsTopLeft = differsFrom(0, 0);
  const differsTopRight = differsFrom(width - 1, 0);
  const differsBottomLeft = differsFrom(0, height - 1);

  // Each edge is searched from outside, so that only the border itself is visited.
  let left = width;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < left; x++) if (differsTopLeft(x, y)) left = x;
  }
  let right = 0;
  for (let y = 0; y < height; y++) {
    for (let x = width - 1; x > right; x--) if (differsTopRight(x, y)) right = x;
  }
  const rowDiffers = (differs: (x: number, y: number) => boolean, y: number): boolean => {
    for (let x = 0; x < width; x++) if (differs(x, y)) return true;
    return false;
  };
  let top = 0;
  while (top < height && !rowDiffers(differsTopLeft, top)) top++;
  let bottom = height - 1;
  while (bottom > 0 && !rowDiffers(differsBottomLeft, bottom)) bottom--;

  if (left > right || top > bottom) return undefined;
  return { left, top, width: right - left + 1, height: bottom - top + 1 };
}

/** Width and height of a box fitted into a square of `size` pixels, as `-resize <size>x<size>` rounds them: at least 1. */
export function fittedSize(box: Pick<Box, 'width' | 'height'>, size: number): { width: number; height: number } {
  const scale = size / Math.max(box.width, box.height);
  return {
    width: Math.max(1, Math.round(box.width * scale)),
    height: Math.max(1, Math.round(box.height * scale)),
  };
}

/** A box found in a picture of `from` pixels in the coordinates of the whole one; grown to whole pixels, never beyond the edges. */
export function scaleBox(
  box: Box,
  from: { width: number; height: number },
  to: { width: number; height: number },
): Box {
  const across = to.width / from.width;
  const down = to.height / from.height;
  const left = Math.floor(box.left * across);
  const top = Math.floor(box.top * down);
  return {
    left,
    top,
    width: Math.min(to.width, Math.ceil((box.left + box.width) * across)) - left,
    height: Math.min(to.height, Math.ceil((box.top + box.height) * down)) - top,
  };
}
