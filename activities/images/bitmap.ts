/** Pixels in memory, and the square canvas of every prepared image. Pure. */
import type { Version } from '../../config/input.ts';

/** Size in pixels. */
export interface Size {
  width: number;
  height: number;
}

/** 8-bit RGB, row by row from the top, three bytes a pixel: `data.length === width × height × 3`. */
export interface Bitmap extends Size {
  data: Uint8Array;
}

/** Returns the pixels in the four corners as red, green and blue. */
export function cornersOf({ data, width, height }: Bitmap): [red: number, green: number, blue: number][] {
  const pixels = [0, width - 1, (height - 1) * width, height * width - 1];
  return pixels.map(pixel => [data[3 * pixel]!, data[3 * pixel + 1]!, data[3 * pixel + 2]!]);
}

/**
 * Places an image on a black square of `size` pixels, as ImageMagick's `-gravity center -extent` does. An odd remainder puts it at
 * the *upper* of the two middles (one pixel off costs 20 dB).
 * @param picture neither side longer than `size`
 */
export function centreOnBlack(picture: Bitmap, size: number): Bitmap {
  const left = Math.ceil((size - picture.width) / 2);
  const top = Math.ceil((size - picture.height) / 2);
  const canvas = { data: new Uint8Array(size * size * 3), width: size, height: size };
  paste(canvas, picture, left, top);
  return canvas;
}

/** Pastes an image into a canvas that it fits into. */
export function paste(canvas: Bitmap, { data, width, height }: Bitmap, left: number, top: number): void {
  for (let y = 0; y < height; y++) {
    canvas.data.set(data.subarray(y * width * 3, (y + 1) * width * 3), ((top + y) * canvas.width + left) * 3);
  }
}

/** Mirrors left and right. Like the other versions it moves whole pixels, so it is exact and resamples nothing. */
export function mirror({ data, width, height }: Bitmap): Bitmap {
  const out = new Uint8Array(data.length);
  for (let y = 0; y < height; y++) {
    let to = y * width * 3;
    for (let from = to + (width - 1) * 3, first = to; from >= first; from -= 3, to += 3) {
      out[to] = data[from]!;
      out[to + 1] = data[from + 1]!;
      out[to + 2] = data[from + 2]!;
    }
  }
  return { data: out, width, height };
}

/** Flips top and bottom, which equals a mirrored image rotated by 180°. */
export function flip({ data, width, height }: Bitmap): Bitmap {
  const out = new Uint8Array(data.length);
  const row = width * 3;
  for (let y = 0; y < height; y++) out.set(data.subarray(y * row, (y + 1) * row), (height - 1 - y) * row);
  return { data: out, width, height };
}

const MAKE: Record<Version, (picture: Bitmap) => Bitmap> = {
  a: picture => picture,
  r: picture => flip(mirror(picture)),
  fa: mirror,
  fr: flip,
};

/** Returns one version of an image: `a` as is, `r` rotated by 180°, `fa` mirrored, `fr` the rotated one mirrored. */
export function versionOf(picture: Bitmap, version: Version): Bitmap {
  return MAKE[version](picture);
}
