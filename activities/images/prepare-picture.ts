/** Turns the bytes of a JPEG into the PNGs of its versions, like the pipeline of 2015, from one decode. */
import type { PipelineInput, Version } from '../../config/input.ts';
import { enhance } from './ben-graham.ts';
import { type Bitmap, centreOnBlack, versionOf } from './bitmap.ts';
import { type Estimate, estimateBox, settleBox } from './bounding-box.ts';
import { type Box, fittedSize, hasDarkGround, scaleBox, trimBox } from './crop.ts';
import { decodeRegion, decodeSize, decodeWhole, type Jpeg, openJpeg, UnusablePicture } from './decode-jpeg.ts';
import { perceptualHash } from './perceptual-hash.ts';
import { resizeBox } from './pixels.ts';
import { encodePng } from './png.ts';

/** Fields of the input that shape an image. */
export type PictureOptions = Readonly<Pick<PipelineInput['images'], 'size' | 'fuzz' | 'enhance'>> & {
  readonly versions: readonly Version[];
};

export interface PreparedPicture {
  /** Pixels of the JPEG as a viewer shows it, in its EXIF orientation. */
  width: number;
  height: number;
  /** Bounding box of the eye within it. */
  crop: Box;
  /** True when the image has the dark background of an eye's; see crop.ts. */
  darkGround: boolean;
  /** Hash of the square from which the versions are made; see perceptual-hash.ts. */
  hash: string;
  pngs: { version: Version; bytes: Buffer }[];
}

/** An eye fills most of its image: a box below this size is dust on a black image. */
const SMALLEST_EYE = 32;

/** A decode, and the eye's bounding box in it and in the whole image. */
interface Found {
  decoded: Bitmap;
  box: Box;
  crop: Box;
}

/**
 * Makes the versions of one image. It is decoded (shrunk where it is large), rotated as EXIF says, trimmed, and resized with Lanczos
 * to fit a square. Then it is centered on black (or enhanced, see ben-graham.ts) and written as PNG.
 * Grayscale and CMYK become RGB; a color profile is not applied.
 * @throws UnusablePicture when it is no JPEG, is damaged, too large, black, or holds nothing larger than 32 pixels; the signal's reason
 */
export async function preparePicture(
  jpeg: Uint8Array,
  options: PictureOptions,
  signal?: AbortSignal,
): Promise<PreparedPicture> {
  const opened = await openJpeg(jpeg, signal);
  const found = await findEye(opened, options);
  if (found === undefined) throw new UnusablePicture('Expected an eye on a dark ground, got a picture of one colour');
  const { crop } = found;
  if (Math.min(crop.width, crop.height) < SMALLEST_EYE) {
    throw new UnusablePicture(
      `Expected an eye of at least ${SMALLEST_EYE}×${SMALLEST_EYE} pixels, got ${crop.width}×${crop.height} after trimming`,
    );
  }
  const square = await make(found, options);
  const encode = async (version: Version) => ({ version, bytes: await encodePng(versionOf(square, version)) });
  const pngs = await Promise.all(options.versions.map(encode));
  const { width, height } = opened.header;
  return { width, height, crop, darkGround: hasDarkGround(found.decoded), hash: perceptualHash(square), pngs };
}

async function findEye(jpeg: Jpeg, { size, fuzz }: PictureOptions): Promise<Found | undefined> {
  const { header } = jpeg;
  const decoded = await decodeWhole(jpeg, decodeSize(header, size));
  if (decoded.width === header.width) {
    const box = trimBox(decoded, fuzz);
    return box && { decoded, box, crop: box };
  }
  const estimate = estimateBox(decoded, header, { fuzz, size });
  if (estimate === undefined) return undefined;
  const crop = isUnsure(estimate)
    ? settleBox(estimate, await decodeRegion(jpeg, estimate.unsure.region), decoded, header, fuzz)
    : estimate.box;
  return { decoded, box: scaleBox(crop, header, decoded), crop };
}

function isUnsure(estimate: Estimate): estimate is Required<Estimate> {
  return estimate.unsure !== undefined;
}

async function make({ decoded, box, crop }: Found, { size, enhance: how }: PictureOptions): Promise<Bitmap> {
  if (how !== 'graham') return centreOnBlack(await resizeBox(decoded, box, fittedSize(crop, size)), size);
  const enhanced = await enhance(decoded, box, size);
  if (enhanced !== undefined) return enhanced;
  throw new UnusablePicture('Expected an eye across the middle row, to measure its radius, got less than half of one');
}
