/** Finds the eye on its dark background: computes the border that ImageMagick's `-fuzz F -trim` cuts away. Pure. */
import { type Bitmap, cornersOf, type Size } from './bitmap.ts';

export interface Box extends Size {
  left: number;
  top: number;
}

export type Side = 'left' | 'top' | 'right' | 'bottom';
/** Highest level, of 255, of a dark corner. On 482 images of the competition no corner was above 38. */
const DARK = 63;
/** Distance of a pixel from a corner of its image: mean over R, G, B of (c − corner)². */
export type Distance = (x: number, y: number) => number;

/**
 * Returns the distances that decide the position of each edge. Left and top edges compare with the top-left pixel. The right
 * edge compares with the top-right pixel, the bottom edge with the bottom-left one.
 * @param corners the image with the corners: the same one, or another decode of the whole image that contains it
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
 * Returns the box that `-fuzz <fuzz> -trim` keeps. A pixel belongs to the border when its distance from the edge's corner is at most
 * (fuzz × 255)².
 * @param fuzz share of 255, 0–0.9
 * @returns undefined when nothing differs from the corners, or the edges cross: no eye is visible
 */
export function trimBox(picture: Bitmap, fuzz: number): Box | undefined {
  const { width, height } = picture;
  const { left, top, right, bottom } = borders(picture, (fuzz * 255) ** 2, distances(picture));
  if (left + right >= width || top + bottom >= height) return undefined;
  return { left, top, width: width - left - right, height: height - top - bottom };
}

/** Returns whether at least two corners are dark, as in every image of a retina camera. Otherwise there is no eye to trim to. */
export function hasDarkGround(picture: Bitmap): boolean {
  return cornersOf(picture).filter(corner => Math.max(...corner) <= DARK).length >= 2;
}

/**
 * Counts the rows or columns at each side that hold no pixel farther than `limit`. If no pixel is, the count is the whole side.
 * Each side is searched from outside, so that only the border itself is visited.
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

/** Returns the size of a box fitted into a square of `size` pixels, rounded like `-resize <size>x<size>`. Each side is at least 1. */
export function fittedSize(box: Size, size: number): Size {
  const scale = size / Math.max(box.width, box.height);
  return {
    width: Math.max(1, Math.round(box.width * scale)),
    height: Math.max(1, Math.round(box.height * scale)),
  };
}

/**
 * Scales a box from an image of size `from` to one of size `to`. Rounds each edge to the nearest pixel, and keeps each side at least 1.
 */
export function scaleBox(box: Box, from: Size, to: Size): Box {
  const across = to.width / from.width;
  const down = to.height / from.height;
  const left = Math.min(to.width - 1, Math.round(box.left * across));
  const top = Math.min(to.height - 1, Math.round(box.top * down));
  const right = Math.min(to.width, Math.round((box.left + box.width) * across));
  const bottom = Math.min(to.height, Math.round((box.top + box.height) * down));
  return { left, top, width: Math.max(1, right - left), height: Math.max(1, bottom - top) };
}
