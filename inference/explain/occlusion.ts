/**
 * Occlusion: places of a picture are covered one after the other, and what a network says without them is compared with what it says of
 * the whole. Pure. Covered is a round place with the blurred picture itself, faded in: a grey or black square would be a lesion of its own.
 */
import type { Bitmap } from '../../activities/images/bitmap.ts';
import { blurEye, eyeMask } from './blur.ts';

export interface OcclusionOptions {
  /** Places a row, and rows. */
  grid: number;
  /** Diameter of a place in pixels. */
  patch: number;
}

/** Pixels that a place covers, with how much of each: from 0 to 1. */
export interface Place {
  x: number;
  y: number;
  pixels: { at: number; cover: number }[];
}

/** A place overlaps its neighbours by half, so that nothing falls between two. */
export function defaultOcclusion(size: number): OcclusionOptions {
  const patch = Math.max(4, Math.round(size / 12));
  return { grid: Math.ceil((2 * size) / patch), patch };
}

/** The places that touch the eye; the black around it tells nothing. */
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
        // Whole in the middle, a smooth edge in the outer half.
        const cover = far < 0.5 ? 1 : 0.5 + 0.5 * Math.cos(2 * Math.PI * (far - 0.5));
        pixels.push({ at: row * size + column, cover });
      }
    }
    if (pixels.length > 0) places.push({ x, y, pixels });
  }
  return places;
}

/** A copy of the picture for each place, with that place covered, in their order. */
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
 * How much each pixel counts: the mean fall of the value over the places that cover it, each by how much it does; 0 where none does.
 * @param falls of each place: the value of the whole picture less the one without the place
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
