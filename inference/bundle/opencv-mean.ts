/** A mean picture in the form that OpenCV reads in every language it is used from: a matrix in its FileStorage. Pure. */
import type { Blob } from '../../activities/training/blob-proto.ts';

/** Numbers on a line. */
const WIDTH = 12;

/**
 * The text of a YAML file with a matrix `mean` of height × width pixels, each blue, green, red.
 * @throws RangeError when the blob is no picture of three colours
 */
export function openCvMean({ num, channels, height, width, data }: Blob): string {
  if (num !== 1 || channels !== 3)
    throw new RangeError(`Expected a mean picture of 1×3×…, got one of ${num}×${channels}×…`);
  const area = height * width;
  // Caffe has a plane a colour, OpenCV the three colours of a pixel side by side.
  const interleaved = Array.from({ length: 3 * area }, (_, i) => float(data[(i % 3) * area + Math.floor(i / 3)]!));
  const lines: string[] = [];
  for (let i = 0; i < interleaved.length; i += WIDTH) lines.push(interleaved.slice(i, i + WIDTH).join(', '));
  return `%YAML:1.0
---
mean: !!opencv-matrix
   rows: ${height}
   cols: ${width}
   dt: "3f"
   data: [ ${lines.join(',\n       ')} ]
`;
}

/** Nine digits hold every 32-bit number. Whole ones keep a point, without which OpenCV takes them for integers. */
function float(value: number): string {
  const text = String(Number(value.toPrecision(9)));
  return /[.e]/.test(text) ? text : `${text}.`;
}
