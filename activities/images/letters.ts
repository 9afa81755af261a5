/**
 * Letters of five by seven dots for labels on pictures. Drawn by hand, as text through libvips needs the machine's fonts: it would look
 * different on every worker, and a container often has none. Pure.
 */
import type { Bitmap } from './bitmap.ts';

const FIRST = ' ';
/** From the space to the tilde, five columns a letter, the lowest bit on top: the table that small displays have used for decades. */
const COLUMNS = Buffer.from(
  [
    '0000000000 00005f0000 0007000700 147f147f14 242a7f2a12 2313086462 3649552250 0005030000', //  !"#$%&'
    '001c224100 0041221c00 14083e0814 08083e0808 0050300000 0808080808 0060600000 2010080402', // ()*+,-./
    '3e5149453e 00427f4000 4261514946 2141454b31 1814127f10 2745454539 3c4a494930 0171090503', // 01234567
    '3649494936 064949291e 0036360000 0056360000 0814224100 1414141414 0041221408 0201510906', // 89:;<=>?
    '324979413e 7e1111117e 7f49494936 3e41414122 7f4141221c 7f49494941 7f09090901 3e4149497a', // @ABCDEFG
    '7f0808087f 00417f4100 2040413f01 7f08142241 7f40404040 7f020c027f 7f0408107f 3e4141413e', // HIJKLMNO
    '7f09090906 3e4151215e 7f09192946 4649494931 01017f0101 3f4040403f 1f2040201f 3f4038403f', // PQRSTUVW
    '6314081463 0708700807 6151494543 007f414100 0204081020 0041417f00 0402010204 4040404040', // XYZ[\]^_
    '0001020400 2054545478 7f48444438 3844444420 384444487f 3854545418 087e090102 0c5252523e', // `abcdefg
    '7f08040478 00447d4000 2040443d00 7f10284400 00417f4000 7c04180478 7c08040478 3844444438', // hijklmno
    '7c14141408 081414187c 7c08040408 4854545420 043f444020 3c4040207c 1c2040201c 3c4030403c', // pqrstuvw
    '4428102844 0c5050503c 4464544c44 0008364100 00007f0000 0041360800 0804081008', // xyz{|}~
  ]
    .join(' ')
    .replaceAll(' ', ''),
  'hex',
);
const WIDTH = 5;
const HEIGHT = 7;
/** A letter and the gap after it. */
const ADVANCE = WIDTH + 1;

export interface Writing {
  /** Left and upper edge, in pixels. */
  x: number;
  y: number;
  /** Pixels of a dot's side. */
  scale: number;
  /** Red, green, blue. */
  colour: readonly [number, number, number];
}

/** Pixels that a text takes. */
export function textWidth(text: string, scale: number): number {
  return Math.max(0, [...text].length * ADVANCE - 1) * scale;
}

/** Writes a line of ASCII into the canvas; a letter that is not in the table becomes a question mark, what lies outside is cut off. */
export function write(canvas: Bitmap, text: string, { x, y, scale, colour }: Writing): void {
  for (const [n, letter] of [...text].entries()) {
    const index = letter.charCodeAt(0) - FIRST.charCodeAt(0);
    const glyph = (COLUMNS[index * WIDTH] === undefined ? '?'.charCodeAt(0) - FIRST.charCodeAt(0) : index) * WIDTH;
    for (let column = 0; column < WIDTH; column++) {
      for (let row = 0; row < HEIGHT; row++) {
        if (((COLUMNS[glyph + column]! >> row) & 1) === 0) continue;
        fill(canvas, x + (n * ADVANCE + column) * scale, y + row * scale, scale, colour);
      }
    }
  }
}

function fill(
  { data, width, height }: Bitmap,
  left: number,
  top: number,
  side: number,
  colour: Writing['colour'],
): void {
  for (let y = Math.max(0, top); y < Math.min(height, top + side); y++) {
    for (let x = Math.max(0, left); x < Math.min(width, left + side); x++) data.set(colour, (y * width + x) * 3);
  }
}
