/**
 * How large to decode a photograph. Pure.
 *
 * Trim and resize give ImageMagick's own pixels (≥ 48.6 dB) only from a whole decode; from 600–650 pixels of a photograph of
 * thousands they come within 35 dB and take half the time. Between the two there is little to save.
 */

/** Longer sides for pictures of 256 pixels or less; larger ones are decoded larger in proportion. */
const WHOLE_UP_TO = 1_100;
const SHRUNK_TO = 650;
const USUAL_SIZE = 256;

/**
 * Width and height to decode to: those of the JPEG, or both divided by the same whole number, which libjpeg and a box filter do
 * without a phase shift.
 * @param size side of the square picture that will be made
 */
export function decodeSize(jpeg: { width: number; height: number }, size: number): { width: number; height: number } {
  const longer = Math.max(jpeg.width, jpeg.height);
  const proportion = Math.max(1, size / USUAL_SIZE);
  if (longer <= WHOLE_UP_TO * proportion) return { width: jpeg.width, height: jpeg.height };
  const divisor = Math.ceil(longer / (SHRUNK_TO * proportion));
  return {
    width: Math.max(1, Math.round(jpeg.width / divisor)),
    height: Math.max(1, Math.round(jpeg.height / divisor)),
  };
}
