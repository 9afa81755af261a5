/** A picture without what is small in it. Pure. */
import type { Bitmap } from '../../activities/images/bitmap.ts';

/** Brightest channel of what lies outside the eye: black, with a JPEG's noise. */
const DARK = 16;

/** 1 on the eye, 0 on the black around it. */
export function eyeMask({ data, width, height }: Bitmap): Uint8Array {
  return Uint8Array.from({ length: width * height }, (_, i) =>
    Math.max(data[3 * i]!, data[3 * i + 1]!, data[3 * i + 2]!) > DARK ? 1 : 0,
  );
}

/** Gaussian blur of the eye alone: the black around it takes no part, and stays. @param sigma in pixels */
export function blurEye(picture: Bitmap, mask: Uint8Array, sigma: number): Bitmap {
  const { data, width, height } = picture;
  const weight = gaussian(Float32Array.from(mask), width, height, sigma);
  const out = new Uint8Array(data.length);
  for (let channel = 0; channel < 3; channel++) {
    const inside = gaussian(
      Float32Array.from(mask, (on, i) => on * data[3 * i + channel]!),
      width,
      height,
      sigma,
    );
    for (let i = 0; i < mask.length; i++) {
      out[3 * i + channel] = mask[i] ? Math.round(inside[i]! / weight[i]!) : data[3 * i + channel]!;
    }
  }
  return { data: out, width, height };
}

/** One row after the other, then one column after the other; beyond the edge lies nothing. */
function gaussian(values: Float32Array, width: number, height: number, sigma: number): Float32Array {
  const reach = Math.ceil(3 * sigma);
  const kernel = Float32Array.from({ length: reach + 1 }, (_, d) => Math.exp(-(d * d) / (2 * sigma * sigma)));
  const along = (from: Float32Array, length: number, step: number, lines: number, line: number) => {
    const to = new Float32Array(from.length);
    for (let l = 0; l < lines; l++) {
      for (let at = 0; at < length; at++) {
        let sum = 0;
        for (let d = Math.max(-reach, -at); d <= Math.min(reach, length - 1 - at); d++) {
          sum += kernel[Math.abs(d)]! * from[l * line + (at + d) * step]!;
        }
        to[l * line + at * step] = sum;
      }
    }
    return to;
  };
  return along(along(values, width, 1, height, width), height, width, width, 1);
}
