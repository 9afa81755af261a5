/**
 * How large to decode a photograph. Pure.
 *
 * What is resized from a decode of at least 430 pixels comes within 40 dB of what is resized from the whole (from 325 pixels within 34),
 * if only the eye's box is known exactly: see edges.ts. Between the sizes there is little else to save.
 */

/** The shortest that the longer side may become for pictures of 256 pixels or less; larger ones are decoded larger in proportion. */
const LEAST = 430;
const USUAL_SIZE = 256;
/**
 * libjpeg halves a picture up to three times at next to no cost, and libvips leaves the rest, here always a factor of 1.5, to Lanczos.
 * Asked for a half or a quarter it lets libjpeg do one halving less, which takes half as long again.
 */
const DIVISORS = [12, 6, 3];

/**
 * Width and height to decode to: those of the JPEG, or both divided by the same whole number.
 * @param size side of the square picture that will be made
 */
export function decodeSize(jpeg: { width: number; height: number }, size: number): { width: number; height: number } {
  const least = LEAST * Math.max(1, size / USUAL_SIZE);
  const divisor = DIVISORS.find(each => Math.max(jpeg.width, jpeg.height) >= each * least) ?? 1;
  return {
    width: Math.max(1, Math.round(jpeg.width / divisor)),
    height: Math.max(1, Math.round(jpeg.height / divisor)),
  };
}
