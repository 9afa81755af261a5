/** Finds the eye on its dark ground: the border that ImageMagick's `-fuzz F -trim` cuts away. Pure. */
import type { Bitmap } from './bitmap.ts';

export interface Box {
  left: number;
  top: number;
  width: number;
  height: number;
}

export type Side = 'left' | 'top' | 'right' | 'bottom';
/** Of a pixel from a corner of its picture: mean over R, G, B of (c − corner)². */
export type Distance = (x: number, y: number) => number;

/**
 * The distances that decide where each edge lies. Left and top edges compare with the top-left pixel, the right edge with the
 * top-right one, the bottom edge with the bottom-left one.
 * @param corners the picture whose corners count: the same, or another decode of the whole of what it is a part of
 */
export function distances(picture: Bitmap, corners: Bitmap = picture): Record<Side, Distance> {
  const { width, height } = corners;
  const topLeft = distanceFrom(picture, corners, 0);
  return {
    left: topLeft,
    top: topLeft,
    right: distanceFrom(picture, corners, width - 1),
    bottom: distanceFrom(picture, corners, (height - 1) * width),
  };
}

function distanceFrom({ data, width }: Bitmap, corners: Bitmap, pixel: number): Distance {
  const red = corners.data[pixel * 3]!;
  const green = corners.data[pixel * 3 + 1]!;
  const blue = corners.data[pixel * 3 + 2]!;
  return (x, y) => {
    const at = (y * width + x) * 3;
    return ((data[at]! - red) ** 2 + (data[at + 1]! - green) ** 2 + (data[at + 2]! - blue) ** 2) / 3;
  };
}

/**
 * The box that `-fuzz <fuzz> -trim` keeps: a pixel belongs to the border when its distance from the edge's corner is at most
 * (fuzz × 255)².
 * @param fuzz share of 255, 0–0.9
 * @returns undefined when nothing differs from the corners, or the edges cross: there is no eye to be seen
 */
export function trimBox(picture: Bitmap, fuzz: number): Box | undefined {
  const { width, height } = picture;
  const { left, top, right, bottom } = borders(picture, (fuzz * 255) ** 2, distances(picture));
  if (left + right >= width || top + bottom >= height) return undefined;
  return { left, top, width: width - left - right, height: height - top - bottom };
}

/**
 * How many rows or columns at each side hold no pixel farther than `limit`; the whole side of the picture where none does.
 * Each is searched from outside, so that only the border itself is visited.
 */
export function borders({ width, height }: Bitmap, limit: number, from: Record<Side, Distance>): Record<Side, number> {
  let left = width;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < left; x++) if (from.left(x, y) > limit) left = x;
  }
  let right = width;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < right; x++) if (from.right(width - 1 - x, y) > limit) right = x;
  }
  const rowDiffers = (distance: Distance, y: number): boolean => {
    for (let x = 0; x < width; x++) if (distance(x, y) > limit) return true;
    return false;
  };
  let top = 0;
  while (top < height && !rowDiffers(from.top, top)) top++;
  let bottom = 0;
  while (bottom < height && !rowDiffers(from.bottom, height - 1 - bottom)) bottom++;
  return { left, top, right, bottom };
}

/** Width and height of a box fitted into a square of `size` pixels, as `-resize <size>x<size>` rounds them: at least 1. */
export function fittedSize(box: Pick<Box, 'width' | 'height'>, size: number): { width: number; height: number } {
  const scale = size / Math.max(box.width, box.height);
  return {
    width: Math.max(1, Math.round(box.width * scale)),
    height: Math.max(1, Math.round(box.height * scale)),
  };
}

/** A box in a picture of `from` pixels in the coordinates of another size of it: each edge to the nearest pixel, at least one apart. */
export function scaleBox(
  box: Box,
  from: { width: number; height: number },
  to: { width: number; height: number },
): Box {
  const across = to.width / from.width;
  const down = to.height / from.height;
  const left = Math.min(to.width - 1, Math.round(box.left * across));
  const top = Math.min(to.height - 1, Math.round(box.top * down));
  const right = Math.min(to.width, Math.round((box.left + box.width) * across));
  const bottom = Math.min(to.height, Math.round((box.top + box.height) * down));
  return { left, top, width: Math.max(1, right - left), height: Math.max(1, bottom - top) };
}
