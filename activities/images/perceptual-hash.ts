/** Computes a fingerprint of the content of an image: nearly the same for nearly the same image, in any file. Pure. */
import type { Bitmap } from './bitmap.ts';

/** Bits of a hash. */
export const HASH_BITS = 256;

/** Side of the grid of mean brightness from which the frequencies are computed. */
const GRID = 64;
/** Frequencies in each direction, from the first on. The mean, and parts that are constant along an axis, are common to all retinas. */
const FREQUENCIES = 16;

/** cos(πk(2i + 1) / 2n) for k = 1 … 16: the rows of the discrete cosine transform. */
const COSINES = Array.from({ length: FREQUENCIES }, (_, k) =>
  Float64Array.from({ length: GRID }, (_, i) => Math.cos((Math.PI * (k + 1) * (2 * i + 1)) / (2 * GRID))),
);

/**
 * Returns the signs of the 16 × 16 lowest frequencies of the image's brightness. Another quality of the JPEG, another size or another
 * brightness changes a few of the bits. About half of them differ between two eyes, although all retinas look alike.
 * @returns 64 hexadecimal digits
 */
export function perceptualHash(picture: Bitmap): string {
  const grid = meanBrightness(picture);
  // Separable: first along the rows, then down the columns.
  const along = COSINES.map(cosine => {
    const sums = new Float64Array(GRID);
    for (let y = 0; y < GRID; y++) {
      for (let x = 0; x < GRID; x++) sums[y]! += cosine[x]! * grid[y * GRID + x]!;
    }
    return sums;
  });
  let digits = '';
  let digit = 0;
  for (let v = 0; v < FREQUENCIES; v++) {
    for (let u = 0; u < FREQUENCIES; u++) {
      let sum = 0;
      for (let y = 0; y < GRID; y++) sum += COSINES[v]![y]! * along[u]![y]!;
      digit = (digit << 1) | (sum > 0 ? 1 : 0);
      if (u % 4 === 3) {
        digits += digit.toString(16);
        digit = 0;
      }
    }
  }
  return digits;
}

/**
 * Returns the mean of 3·red + 6·green + blue over each cell of the grid. An image smaller than the grid gives each pixel to several cells.
 */
function meanBrightness({ data, width, height }: Bitmap): Float64Array {
  const grid = new Float64Array(GRID * GRID);
  const from = (cell: number, side: number) => Math.floor((cell * side) / GRID);
  const to = (cell: number, side: number) => Math.max(from(cell, side) + 1, from(cell + 1, side));
  for (let row = 0; row < GRID; row++) {
    const [top, bottom] = [from(row, height), to(row, height)];
    for (let column = 0; column < GRID; column++) {
      const [left, right] = [from(column, width), to(column, width)];
      let sum = 0;
      for (let y = top; y < bottom; y++) {
        for (let at = (y * width + left) * 3, end = (y * width + right) * 3; at < end; at += 3) {
          sum += 3 * data[at]! + 6 * data[at + 1]! + data[at + 2]!;
        }
      }
      grid[row * GRID + column] = sum / ((bottom - top) * (right - left));
    }
  }
  return grid;
}
