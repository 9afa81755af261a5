/** Decodes JPEGs in bounded memory, and only where libjpeg finds no damage. */
import sharp, { type Sharp, type SharpOptions } from 'sharp';
import { type Bitmap, cornersOf, type Size } from './bitmap.ts';
import type { Box } from './crop.ts';
import { CUT_SHORT, findDamage } from './libjpeg-messages.ts';

/** An image that cannot be used. It is quarantined with this error's message as the reason. */
export class UnusablePicture extends Error {
  override readonly name = 'UnusablePicture';
}

/** Header of the image as a viewer shows it. */
export interface Header extends Size {
  /** True when the EXIF orientation rotates or mirrors the image. */
  turned: boolean;
  channels: number;
  /** Progressive, or otherwise in several scans: libjpeg then holds the whole image. */
  multiScan: boolean;
}

/** A JPEG whose header has been read. */
export interface Jpeg {
  bytes: Uint8Array;
  header: Header;
  /** Asks libjpeg for damage, once. @throws UnusablePicture for a damaged JPEG */
  refuseDamage: () => Promise<void>;
}

/** The largest retina cameras give 24 megapixels. A header that claims more than this is refused before anything is decoded. */
const MAX_PIXELS = 100_000_000;
/** Memory of one image during its decode, including its file. */
const MAX_MEGABYTES = 256;
/** Memory of the lines in use by libjpeg and libvips: 2 to 15 MB were measured. */
const WORKING_BYTES = 16e6;
/** Bytes of a coefficient in libjpeg. */
const COEFFICIENT_BYTES = 2;

const input = { limitInputPixels: MAX_PIXELS, ignoreIcc: true } as const;

/**
 * Reads the header. Only JPEGs reach libvips, which would open many other formats too.
 * @throws UnusablePicture when it is no JPEG, has a damaged header or claims too many pixels; the signal's reason
 */
export async function openJpeg(bytes: Uint8Array, signal?: AbortSignal): Promise<Jpeg> {
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8 || bytes[2] !== 0xff) {
    throw new UnusablePicture(
      `Expected a JPEG, got bytes that begin with ${Buffer.from(bytes.subarray(0, 4)).toString('hex')}`,
    );
  }
  const metadata = await sharp(bytes, { ...input, failOn: 'error', limitInputPixels: false })
    .metadata()
    .catch(() => undefined);
  if (metadata === undefined) {
    const damage = await findDamage(bytes, { multiScan: false, signal });
    throw undecodable(damage === CUT_SHORT ? damage : 'a header that libjpeg refuses');
  }
  const { autoOrient, orientation = 1, channels, isProgressive: multiScan } = metadata;
  const { width, height } = autoOrient;
  if (width * height > MAX_PIXELS) {
    throw new UnusablePicture(`Expected a JPEG of at most ${MAX_PIXELS} pixels, got ${width}×${height}`);
  }
  let damage: Promise<string | undefined> | undefined;
  const refuseDamage = async () => {
    damage ??= findDamage(bytes, { multiScan, signal });
    const found = await damage;
    if (found !== undefined) throw undecodable(found);
  };
  return { bytes, header: { width, height, turned: orientation > 1, channels, multiScan }, refuseDamage };
}

/**
 * Decodes the whole image in its EXIF orientation: to the given size, or in full size where EXIF rotates it. On decode, libvips
 * does not shrink an image that it rotates, and such images are few.
 * @throws UnusablePicture for damage, and when it needs too much memory; the signal's reason
 */
export async function decodeWhole(jpeg: Jpeg, to: Size): Promise<Bitmap> {
  const { bytes, header } = jpeg;
  const shrunk = !header.turned && to.width !== header.width;
  const bitmap = await decode(jpeg, shrunk ? to : header, options =>
    shrunk
      ? sharp(bytes, options).resize(to.width, to.height, { fit: 'fill' })
      : sharp(bytes, { ...options, autoOrient: header.turned }),
  );
  // libvips does not check for warnings after the last eight lines that it decodes.
  if (hasGreyCorner(bitmap)) await jpeg.refuseDamage();
  return bitmap;
}

/** Decodes a region of the image in full size. The lines below it are not decoded. @throws as `decodeWhole` */
export function decodeRegion(jpeg: Jpeg, region: Box): Promise<Bitmap> {
  return decode(jpeg, region, options => sharp(jpeg.bytes, { ...options, sequentialRead: true }).extract(region));
}

/** Decodes through sharp. Of several decodes at once libvips reports reliably which one warned, but not its message. */
async function decode(jpeg: Jpeg, to: Size, open: (options: SharpOptions) => Sharp): Promise<Bitmap> {
  refuseLarge(jpeg, to);
  const pixels = (failOn: 'warning' | 'error') =>
    open({ ...input, failOn })
      .toColourspace('srgb')
      .raw()
      .toBuffer({ resolveWithObject: true })
      .catch(() => undefined);
  let decoded = await pixels('warning');
  if (decoded === undefined) {
    await jpeg.refuseDamage();
    decoded = await pixels('error');
  }
  if (decoded === undefined) throw undecodable('data that libjpeg refuses');
  const { data, info } = decoded;
  if (info.channels !== 3) throw new UnusablePicture(`Expected red, green and blue, got ${info.channels} channels`);
  return { data, width: info.width, height: info.height };
}

/**
 * Refuses an image that needs too much memory. Measured: a second copy of the file for its metadata, coefficients of several scans, and
 * pixels, copied before rotation.
 */
function refuseLarge({ bytes, header }: Jpeg, to: Size): void {
  const samples = header.channels * header.width * header.height;
  const coefficients = header.multiScan ? COEFFICIENT_BYTES * samples : 0;
  const pixels = 3 * to.width * to.height;
  const image = header.turned ? samples + Math.max(coefficients, pixels) : coefficients + pixels;
  const megabytes = Math.ceil((WORKING_BYTES + 2 * bytes.length + image) / 1e6);
  if (megabytes <= MAX_MEGABYTES) return;
  const kind = header.multiScan ? ' in several scans' : '';
  throw new UnusablePicture(
    `Expected a JPEG that takes at most ${MAX_MEGABYTES} MB to decode, got ${header.width}×${header.height}${kind}, which takes ${megabytes} MB`,
  );
}

/** Returns whether a corner is gray: libjpeg fills the rest with gray when the data ends too early. An eye's background is darker. */
function hasGreyCorner(bitmap: Bitmap): boolean {
  return cornersOf(bitmap).some(corner => {
    const [least, most] = [Math.min(...corner), Math.max(...corner)];
    return least >= 90 && most <= 166 && most - least <= 8;
  });
}

function undecodable(got: string): UnusablePicture {
  return new UnusablePicture(`Expected a JPEG that can be decoded, got ${got}`);
}

/** Shortest longer side of a decode for images of 256 pixels or less. Larger ones are decoded larger in proportion. */
const LEAST = 430;
const USUAL_SIZE = 256;
/**
 * libjpeg halves an image up to three times at next to no cost. libvips leaves the rest, here always a factor of 1.5, to Lanczos.
 * For a half or a quarter it lets libjpeg do one halving less, which takes half as long again.
 */
const DIVISORS = [12, 6, 3];

/**
 * Returns the size to decode to: that of the JPEG, or both sides divided by the same whole number. An image resized from it comes
 * within 40 dB of one resized from the full size.
 * @param size side of the square image that will be made
 */
export function decodeSize(jpeg: Size, size: number): Size {
  const least = LEAST * Math.max(1, size / USUAL_SIZE);
  const divisor = DIVISORS.find(each => Math.max(jpeg.width, jpeg.height) >= each * least) ?? 1;
  return {
    width: Math.max(1, Math.round(jpeg.width / divisor)),
    height: Math.max(1, Math.round(jpeg.height / divisor)),
  };
}
