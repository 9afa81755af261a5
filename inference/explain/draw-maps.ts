/** The eye, and beside it what each split's network looks at. */
import type { Bitmap } from '../../activities/images/bitmap.ts';
import { textWidth, write } from '../../activities/images/letters.ts';
import { pixels } from '../../activities/images/pixels.ts';
import type { Explanation, SplitMap } from './explain-eye.ts';

type Colour = readonly [number, number, number];

const SIDE = 320;
const GAP = 16;
const MARGIN = 20;
const TITLE = 26;
const CAPTION = 22;
const SCALE_HEIGHT = 12;
const FOOT = 84;
const PAPER = 0xf7;
const INK: Colour = [0x22, 0x22, 0x22];
const SOFT: Colour = [0x66, 0x66, 0x66];
/** Covering the place lowers P: the network takes it as a sign of disease. The other way round: as a sign of health. */
const FALL: Colour = [214, 40, 40];
const RISE: Colour = [33, 102, 172];
/** Of the eye's brightness that is left under the colours. */
const DIMMED = 0.55;

/** @returns a PNG; the colours of each map go as far as its largest value, which the scale below tells */
export async function drawMaps({ way, final, splits, occlusion }: Explanation): Promise<Buffer> {
  if (!occlusion) throw new TypeError('Expected an explanation with maps, got none');
  const { picture, maps, patch, grid, version } = occlusion;
  const width = 2 * MARGIN + (maps.length + 1) * (SIDE + GAP) - GAP;
  const height = 2 * MARGIN + TITLE + CAPTION + SIDE + FOOT;
  const canvas: Bitmap = { data: new Uint8Array(width * height * 3).fill(PAPER), width, height };
  const top = MARGIN + TITLE + CAPTION;
  const eye = await enlarged(picture);

  text(canvas, `${way.image}.${version}`.slice(-26), MARGIN, MARGIN, INK);
  const staged = `graded ${way.level}, predicted ${final.predicted}`;
  text(canvas, staged, MARGIN, MARGIN + TITLE, SOFT);
  paste(canvas, eye, MARGIN, top);
  // How large a covered place is: on the black corner, where it hides nothing.
  const ring = Math.round((patch * SIDE) / picture.width);
  circle(canvas, MARGIN + ring / 2 + 4, top + ring / 2 + 4, ring / 2);

  for (const [n, map] of maps.entries()) {
    const left = MARGIN + (n + 1) * (SIDE + GAP);
    const most = largest(map);
    const { best } = splits.find(({ k }) => k === map.k)!;
    text(canvas, `P(stage > ${map.k}) = ${map.p.toFixed(3)}`, left, MARGIN, INK);
    text(canvas, `weights of epoch ${best}`, left, MARGIN + TITLE, SOFT);
    paste(canvas, overlay(eye, enlargedMap(map, picture.width), most), left, top);
    scale(canvas, left, top + SIDE + 10, most);
  }
  const foot = top + SIDE + FOOT - 28;
  text(
    canvas,
    `red: P falls when this place is covered; blue: it rises. P of version ${version} alone`,
    MARGIN + SIDE + GAP,
    foot,
    SOFT,
  );
  text(canvas, `o  a covered place`, MARGIN, top + SIDE + 10, SOFT);
  text(canvas, `${patch} of ${picture.width} pixels wide`, MARGIN, top + SIDE + 33, SOFT);
  text(canvas, `${grid} x ${grid} places`, MARGIN, foot, SOFT);
  return pixels(canvas).png({ compressionLevel: 9 }).toBuffer();
}

function largest({ map }: SplitMap): number {
  return map.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}

async function enlarged(picture: Bitmap): Promise<Bitmap> {
  const data = await pixels(picture).resize(SIDE, SIDE, { kernel: 'lanczos3' }).raw().toBuffer();
  return { data, width: SIDE, height: SIDE };
}

/** In between linear; the outermost pixels go on to the edge. */
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

/** The eye in grey and dimmed, the map over it. */
function overlay(eye: Bitmap, map: Float32Array, most: number): Bitmap {
  const data = new Uint8Array(eye.data.length);
  for (let i = 0; i < map.length; i++) {
    const [r, g, b] = [eye.data[3 * i]!, eye.data[3 * i + 1]!, eye.data[3 * i + 2]!];
    const grey = DIMMED * (0.3 * r + 0.59 * g + 0.11 * b);
    data.set(tinted(grey, most > 0 ? map[i]! / most : 0), 3 * i);
  }
  return { ...eye, data };
}

/** @param strength from −1 to 1 */
function tinted(grey: number, strength: number): number[] {
  const colour = strength > 0 ? FALL : RISE;
  const cover = Math.min(1, Math.abs(strength)) ** 0.8;
  return colour.map(channel => Math.round((1 - cover) * grey + cover * channel));
}

/** From the largest rise to the largest fall, as the maps have them. */
function scale(canvas: Bitmap, left: number, top: number, most: number): void {
  for (let x = 0; x < SIDE; x++) {
    const colour = tinted(90, (2 * x) / (SIDE - 1) - 1);
    for (let y = 0; y < SCALE_HEIGHT; y++) canvas.data.set(colour, ((top + y) * canvas.width + left + x) * 3);
  }
  const label = most >= 0.0005 ? most.toFixed(3) : most.toExponential(1);
  text(canvas, `-${label}`, left, top + SCALE_HEIGHT + 6, SOFT);
  text(canvas, '0', left + SIDE / 2 - 5, top + SCALE_HEIGHT + 6, SOFT);
  text(canvas, `+${label}`, left + SIDE - textWidth(`+${label}`, 2), top + SCALE_HEIGHT + 6, SOFT);
}

function text(canvas: Bitmap, line: string, x: number, y: number, colour: Colour): void {
  write(canvas, line, { x, y, scale: 2, colour });
}

function circle(canvas: Bitmap, x: number, y: number, radius: number): void {
  for (let angle = 0; angle < 360; angle++) {
    const [dx, dy] = [Math.cos((angle * Math.PI) / 180), Math.sin((angle * Math.PI) / 180)];
    const at = Math.round(y + radius * dy) * canvas.width + Math.round(x + radius * dx);
    canvas.data.set([255, 255, 255], 3 * at);
  }
}

function paste(canvas: Bitmap, { data, width, height }: Bitmap, left: number, top: number): void {
  for (let y = 0; y < height; y++) {
    canvas.data.set(data.subarray(y * width * 3, (y + 1) * width * 3), ((top + y) * canvas.width + left) * 3);
  }
}
