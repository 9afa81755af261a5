/** Pixels in memory, and the square canvas that every picture ends on. Pure. */

/** 8-bit RGB, row by row from the top, three bytes a pixel: `data.length === width × height × 3`. */
export interface Bitmap {
  data: Uint8Array;
  width: number;
  height: number;
}

/**
 * Lays a picture on a black square of `size` pixels, as ImageMagick's `-gravity center -extent` does: an odd remainder puts it at
 * the *upper* of the two middles (one pixel off costs 20 dB).
 * @param picture neither side longer than `size`
 */
export function centreOnBlack({ data, width, height }: Bitmap, size: number): Bitmap {
  const left = Math.ceil((size - width) / 2);
  const top = Math.ceil((size - height) / 2);
  const canvas = new Uint8Array(size * size * 3);
  for (let y = 0; y < height; y++) {
    canvas.set(data.subarray(y * width * 3, (y + 1) * width * 3), ((top + y) * size + left) * 3);
  }
  return { data: canvas, width: size, height: size };
}
