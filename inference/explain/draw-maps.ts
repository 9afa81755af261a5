/** Draws the eye, and next to it the occlusion map of each split. */
import { type Bitmap, paste } from '../../activities/images/bitmap.ts';
import { pixels } from '../../activities/images/pixels.ts';
import type { Explanation, SplitMap } from './explain-eye.ts';

type Colour = readonly [number, number, number];

const SIDE = 320;
const GAP = 16;
const MARGIN = 20;
const SCALE_HEIGHT = 12;
const PAPER = 0xf7;
/** Covering the patch lowers P: the network reads it as a sign of disease. With `RISE` it raises P, a sign of health. */
const FALL: Colour = [214, 40, 40];
const RISE: Colour = [33, 102, 172];
/** Share of the eye's brightness that remains under the colors. */
const DIMMED = 0.55;

/**
 * Draws the eye with the size of a patch as a ring, then the maps in the order of their splits. Below each map is a scale of its
 * colors. The image has no text, as text would depend on the machine's fonts.
 * @returns a PNG in which the colors of each map are scaled to its largest value
 */
export async function drawMaps({ picture, maps, patch }: NonNullable<Explanation['occlusion']>): Promise<Buffer> {
  const width = 2 * MARGIN + (maps.length + 1) * (SIDE + GAP) - GAP;
  const height = 2 * MARGIN + SIDE + GAP + SCALE_HEIGHT;
  const canvas: Bitmap = { data: new Uint8Array(width * height * 3).fill(PAPER), width, height };
  const eye = await enlarged(picture);
  paste(canvas, eye, MARGIN, MARGIN);
  // The ring is in the black corner, where it hides nothing.
  const radius = (patch * SIDE) / picture.width / 2;
  circle(canvas, MARGIN + radius + 4, MARGIN + radius + 4, radius);
  for (const [n, map] of maps.entries()) {
    const left = MARGIN + (n + 1) * (SIDE + GAP);
    const most = map.map.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    paste(canvas, overlay(eye, enlargedMap(map, picture.width), most), left, MARGIN);
    scale(canvas, left, MARGIN + SIDE + GAP);
  }
  return pixels(canvas).png({ compressionLevel: 9 }).toBuffer();
}

async function enlarged(picture: Bitmap): Promise<Bitmap> {
  const data = await pixels(picture).resize(SIDE, SIDE, { kernel: 'lanczos3' }).raw().toBuffer();
  return { data, width: SIDE, height: SIDE };
}

/** Enlarges a map by linear interpolation. The outermost pixels extend to the edge. */
function enlargedMap({ map }: SplitMap, size: number): Float32Array {
  const at = (n: number) => Math.min(size - 1, Math.max(0, ((n + 0.5) * size) / SIDE - 0.5));
  return Float32Array.from({ length: SIDE * SIDE }, (_, i) => {
    const [x, y] = [at(i % SIDE), at(Math.floor(i / SIDE))];
    const [left, top] = [Math.floor(x), Math.floor(y)];
    const [right, bottom] = [Math.min(size - 1, left + 1), Math.min(size - 1, top + 1)];
    const row = (y: number) => map[y * size + left]! * (left + 1 - x) + map[y * size + right]! * (x - left);
    return row(top) * (top + 1 - y) + row(bottom) * (y - top);
  });
}

/** Draws the map over the eye, which is dimmed and gray. */
function overlay(eye: Bitmap, map: Float32Array, most: number): Bitmap {
  const data = new Uint8Array(eye.data.length);
  for (let i = 0; i < map.length; i++) {
    const [r, g, b] = [eye.data[3 * i]!, eye.data[3 * i + 1]!, eye.data[3 * i + 2]!];
    const grey = DIMMED * (0.3 * r + 0.59 * g + 0.11 * b);
    data.set(tinted(grey, most > 0 ? map[i]! / most : 0), 3 * i);
  }
  return { ...eye, data };
}

/** Returns the color of a pixel. @param strength from −1 to 1 */
function tinted(grey: number, strength: number): number[] {
  const colour = strength > 0 ? FALL : RISE;
  const cover = Math.min(1, Math.abs(strength)) ** 0.8;
  return colour.map(channel => Math.round((1 - cover) * grey + cover * channel));
}

/** Draws the color scale, from the largest rise on the left to the largest fall on the right. */
function scale(canvas: Bitmap, left: number, top: number): void {
  for (let x = 0; x < SIDE; x++) {
    const colour = tinted(90, (2 * x) / (SIDE - 1) - 1);
    for (let y = 0; y < SCALE_HEIGHT; y++) canvas.data.set(colour, ((top + y) * canvas.width + left + x) * 3);
  }
}

function circle(canvas: Bitmap, x: number, y: number, radius: number): void {
  for (let angle = 0; angle < 360; angle++) {
    const [dx, dy] = [Math.cos((angle * Math.PI) / 180), Math.sin((angle * Math.PI) / 180)];
    const at = Math.round(y + radius * dy) * canvas.width + Math.round(x + radius * dx);
    canvas.data.set([255, 255, 255], 3 * at);
  }
}
