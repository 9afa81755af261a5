/** Converts bitmaps from and to libvips. */
import sharp, { type Sharp } from 'sharp';
import type { Bitmap, Size } from './bitmap.ts';
import type { Box } from './crop.ts';

/** Returns a bitmap as libvips's input. */
export function pixels({ data, width, height }: Bitmap): Sharp {
  return sharp(data, { raw: { width, height, channels: 3 } });
}

/** Resizes a region of an image with Lanczos. */
export async function resizeBox(picture: Bitmap, box: Box, { width, height }: Size): Promise<Bitmap> {
  const data = await pixels(picture)
    .extract(box)
    .resize(width, height, { fit: 'fill', kernel: 'lanczos3' })
    .raw()
    .toBuffer();
  return { data, width, height };
}

/** Decodes an image file of any format that libvips reads. @throws when the bytes are no image */
export async function decodePicture(bytes: Uint8Array): Promise<Bitmap> {
  const { data, info } = await sharp(bytes)
    .removeAlpha()
    .toColourspace('srgb')
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { data, width: info.width, height: info.height };
}
