/** From the bytes of a JPEG to the PNGs of its versions: the 2015 line, from one decode. */
import sharp, { type Sharp } from 'sharp';
import type { PipelineInput, Version } from '../../config/input.ts';
import { type Bitmap, centreOnBlack } from './bitmap.ts';
import { type Box, fittedSize, scaleBox, trimBox } from './crop.ts';
import { decodeSize } from './decode-size.ts';
import { type Estimate, estimateBox, settleBox } from './edges.ts';
import { versionOf } from './four-versions.ts';
import { enhance } from './graham.ts';
import { perceptualHash } from './perceptual-hash.ts';
import { resizeBox } from './pixels.ts';
import { encodePng } from './png.ts';

/** A photograph that cannot be used; it is set aside with this error's message as the reason. */
export class UnusablePicture extends Error {
  override readonly name = 'UnusablePicture';
}

/** The fields of the input that shape a picture. */
export type PictureOptions = Readonly<Pick<PipelineInput['images'], 'size' | 'fuzz' | 'enhance'>> & {
  readonly versions: readonly Version[];
};

export interface PreparedPicture {
  /** Pixels of the JPEG as a viewer shows it: turned as its EXIF orientation says. */
  width: number;
  height: number;
  /** The eye's box within it. */
  crop: Box;
  /** Of the square that the versions are made from, see perceptual-hash.ts. */
  hash: string;
  pngs: { version: Version; bytes: Buffer }[];
}

/** The largest retina cameras give 24 megapixels; a header that claims more is refused before anything is decoded. */
const MOST_PIXELS = 100_000_000;
/** An eye fills most of its photograph: a box below this is dust on a black picture. */
const SMALLEST_EYE = 32;
const END_OF_IMAGE = Buffer.from([0xff, 0xd9]);

interface Header {
  /** As a viewer shows it. */
  width: number;
  height: number;
  /** EXIF says that it is to be turned or mirrored. */
  turned: boolean;
}

/** A decode, and the eye's box in it and in the whole photograph. */
interface Found {
  decoded: Bitmap;
  box: Box;
  crop: Box;
}

/**
 * Makes the versions of one photograph: decoded (shrunk where it is large), turned as EXIF says, trimmed, resized with Lanczos to fit
 * a square, centred on black (or enhanced, see graham.ts), written as PNG. Grey and CMYK become RGB; a colour profile is not applied.
 * @throws UnusablePicture for what is no JPEG, is cut short, black, or holds nothing larger than 32 pixels
 */
export async function preparePicture(jpeg: Uint8Array, options: PictureOptions): Promise<PreparedPicture> {
  const header = await readHeader(jpeg);
  const found = await findEye(jpeg, header, options);
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
  return { width: header.width, height: header.height, crop, hash: perceptualHash(square), pngs };
}

const input = { failOn: 'error', limitInputPixels: MOST_PIXELS, ignoreIcc: true } as const;

/** Only JPEG gets as far as libvips, which would open many other formats too. */
async function readHeader(jpeg: Uint8Array): Promise<Header> {
  if (jpeg[0] !== 0xff || jpeg[1] !== 0xd8 || jpeg[2] !== 0xff) {
    throw new UnusablePicture(
      `Expected a JPEG, got bytes that begin with ${Buffer.from(jpeg.subarray(0, 4)).toString('hex')}`,
    );
  }
  const { autoOrient, orientation = 1 } = await sharp(jpeg, { ...input, limitInputPixels: false })
    .metadata()
    .catch(() => undecodable(jpeg, 'a header that libjpeg refuses'));
  const { width, height } = autoOrient;
  if (width * height > MOST_PIXELS) {
    throw new UnusablePicture(`Expected a JPEG of at most ${MOST_PIXELS} pixels, got ${width}×${height}`);
  }
  return { width, height, turned: orientation > 1 };
}

/** A photograph that is to be turned is decoded whole: libvips shrinks none on decoding that it turns, and there are few. */
async function findEye(jpeg: Uint8Array, header: Header, { size, fuzz }: PictureOptions): Promise<Found | undefined> {
  const to = decodeSize(header, size);
  if (header.turned || to.width === header.width) {
    const decoded = await pixelsOf(sharp(jpeg, { ...input, autoOrient: header.turned }), jpeg);
    const box = trimBox(decoded, fuzz);
    return box && { decoded, box, crop: box };
  }
  const decoded = await pixelsOf(sharp(jpeg, input).resize(to.width, to.height, { fit: 'fill' }), jpeg);
  const estimate = estimateBox(decoded, header, { fuzz, size });
  if (estimate === undefined) return undefined;
  const crop = isUnsure(estimate)
    ? settleBox(estimate, await cutOut(jpeg, estimate.unsure.region), decoded, header, fuzz)
    : estimate.box;
  return { decoded, box: scaleBox(crop, header, decoded), crop };
}

function isUnsure(estimate: Estimate): estimate is Required<Estimate> {
  return estimate.unsure !== undefined;
}

/** A part of the whole photograph; what lies below it is not decoded. */
function cutOut(jpeg: Uint8Array, region: Box): Promise<Bitmap> {
  return pixelsOf(sharp(jpeg, { ...input, sequentialRead: true }).extract(region), jpeg);
}

async function pixelsOf(picture: Sharp, jpeg: Uint8Array): Promise<Bitmap> {
  const { data, info } = await picture
    .toColourspace('srgb')
    .raw()
    .toBuffer({ resolveWithObject: true })
    .catch(() => undecodable(jpeg, 'data that libjpeg refuses'));
  if (info.channels !== 3) throw new UnusablePicture(`Expected red, green and blue, got ${info.channels} channels`);
  return { data, width: info.width, height: info.height };
}

/**
 * The reason is found here and not taken from libvips: its complaints go through one buffer for all threads, so that of two bad
 * pictures at once one may get the other's or none, and the list of reasons must be the same each time.
 */
function undecodable(jpeg: Uint8Array, otherwise: string): never {
  const endsWhole = Buffer.from(jpeg.buffer, jpeg.byteOffset, jpeg.length).includes(END_OF_IMAGE);
  throw new UnusablePicture(
    `Expected a JPEG that can be decoded, got ${endsWhole ? otherwise : 'one that is cut short'}`,
  );
}

async function make({ decoded, box, crop }: Found, { size, enhance: how }: PictureOptions): Promise<Bitmap> {
  if (how !== 'graham') return centreOnBlack(await resizeBox(decoded, box, fittedSize(crop, size)), size);
  const enhanced = await enhance(decoded, box, size);
  if (enhanced !== undefined) return enhanced;
  throw new UnusablePicture('Expected an eye across the middle row, to measure its radius, got less than half of one');
}
