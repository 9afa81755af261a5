/** The four versions of a picture by index arithmetic: exact, nothing is resampled. Pure. */
import type { Version } from '../../config/input.ts';
import type { Bitmap } from './bitmap.ts';

/** Mirrored left-right. */
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

/** Top and bottom exchanged: a mirrored picture turned by 180°. */
export function flip({ data, width, height }: Bitmap): Bitmap {
  const out = new Uint8Array(data.length);
  const row = width * 3;
  for (let y = 0; y < height; y++) out.set(data.subarray(y * row, (y + 1) * row), (height - 1 - y) * row);
  return { data: out, width, height };
}

/** Rotated by 180°. */
export function rotate180(picture: Bitmap): Bitmap {
  return flip(mirror(picture));
}

const MAKE: Record<Version, (picture: Bitmap) => Bitmap> = {
  a: picture => picture,
  r: rotate180,
  fa: mirror,
  fr: flip,
};

/** One version of a picture: `a` as is, `r` rotated by 180°, `fa` mirrored, `fr` the rotated one mirrored. */
export function versionOf(picture: Bitmap, version: Version): Bitmap {
  return MAKE[version](picture);
}
