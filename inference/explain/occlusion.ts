/**
 * Computes occlusion maps: covers patches of an image one after the other, and compares the network's output with that of the whole
 * image. Pure. A covered patch is round and shows the blurred image, faded in. A gray or black square would look like a lesion.
 */
import type { Bitmap } from '../../activities/images/bitmap.ts';

export interface OcclusionOptions {
  /** Number of patches per row, and of rows. */
  grid: number;
  /** Diameter of a patch in pixels. */
  patch: number;
}

/** Patch with its center and its pixels, each with its coverage from 0 to 1. */
interface Place {
  x: number;
  y: number;
  pixels: { at: number; cover: number }[];
}

/** Returns the default options. Patches overlap their neighbors by half, so that no pixel is between two patches. */
export function defaultOcclusion(size: number): OcclusionOptions {
  const patch = Math.max(4, Math.round(size / 12));
  return { grid: Math.ceil((2 * size) / patch), patch };
}

/** Returns the patches that touch the eye. The black background has no information. */
export function placesOn(picture: Bitmap, { grid, patch }: OcclusionOptions): Place[] {
  const { width: size } = picture;
  const mask = eyeMask(picture);
  const radius = patch / 2;
  const places: Place[] = [];
  for (let n = 0; n < grid * grid; n++) {
    const x = (((n % grid) + 0.5) * size) / grid;
    const y = ((Math.floor(n / grid) + 0.5) * size) / grid;
    const pixels: Place['pixels'] = [];
    for (let row = Math.max(0, Math.floor(y - radius)); row < Math.min(size, y + radius); row++) {
      for (let column = Math.max(0, Math.floor(x - radius)); column < Math.min(size, x + radius); column++) {
        const far = Math.hypot(column + 0.5 - x, row + 0.5 - y) / radius;
        if (far >= 1 || !mask[row * size + column]) continue;
        // Full coverage in the inner half, a smooth edge in the outer half.
        const cover = far < 0.5 ? 1 : 0.5 + 0.5 * Math.cos(2 * Math.PI * (far - 0.5));
        pixels.push({ at: row * size + column, cover });
      }
    }
    if (pixels.length > 0) places.push({ x, y, pixels });
  }
  return places;
}

/** Yields a copy of the image for each patch, with that patch covered, in order. */
export function* occluded(picture: Bitmap, places: readonly Place[], patch: number): Generator<Bitmap> {
  const blurred = blurEye(picture, eyeMask(picture), patch / 2);
  for (const { pixels } of places) {
    const data = Uint8Array.from(picture.data);
    for (const { at, cover } of pixels) {
      for (let i = 3 * at; i < 3 * at + 3; i++) {
        data[i] = Math.round((1 - cover) * picture.data[i]! + cover * blurred.data[i]!);
      }
    }
    yield { ...picture, data };
  }
}

/**
 * Returns the influence of each pixel: the mean fall of the output over the patches that cover it, weighted by their coverage. It is 0
 * where no patch covers the pixel.
 * @param falls by patch: output for the whole image minus output with the patch covered
 */
export function occlusionMap(size: number, places: readonly Place[], falls: readonly number[]): Float32Array {
  const sum = new Float64Array(size * size);
  const weight = new Float64Array(size * size);
  for (const [n, { pixels }] of places.entries()) {
    for (const { at, cover } of pixels) {
      sum[at]! += cover * falls[n]!;
      weight[at]! += cover;
    }
  }
  return Float32Array.from(sum, (value, i) => (weight[i]! > 0 ? value / weight[i]! : 0));
}

/** Maximum channel value of the background: black, with the noise of a JPEG. */
const DARK = 16;

/** Returns 1 on the eye and 0 on the black background. */
export function eyeMask({ data, width, height }: Bitmap): Uint8Array {
  return Uint8Array.from({ length: width * height }, (_, i) =>
    Math.max(data[3 * i]!, data[3 * i + 1]!, data[3 * i + 2]!) > DARK ? 1 : 0,
  );
}

/** Applies a Gaussian blur to the eye alone. The black background does not contribute and stays unchanged. @param sigma in pixels */
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

/** Convolves with a Gaussian kernel along the rows, then along the columns. Values beyond the edge count as 0. */
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
