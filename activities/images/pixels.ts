/** Bitmaps through libvips. */
import sharp, { type Sharp } from 'sharp';
import type { Bitmap } from './bitmap.ts';
import type { Box } from './crop.ts';

/** A bitmap as libvips's input. */
export function pixels({ data, width, height }: Bitmap): Sharp {
  return sharp(data, { raw: { width, height, channels: 3 } });
}

/** A part of a picture in another size, by Lanczos. */
export async function resizeBox(
  picture: Bitmap,
  box: Box,
  { width, height }: { width: number; height: number },
): Promise<Bitmap> {
  const data = await pixels(picture)
    .extract(box)
    .resize(width, height, { fit: 'fill', kernel: 'lanczos3' })
    .raw()
    .toBuffer();
  return { data, width, height };
}

/** The pixels of a picture in a file's bytes, whatever its form. @throws when they are no picture */
export async function decodePicture(bytes: Uint8Array): Promise<Bitmap> {
  const { data, info } = await sharp(bytes)
    .removeAlpha()
    .toColourspace('srgb')
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { data, width: info.width, height: info.height };
}
