/** A contact sheet of prepared pictures: a look says in a second whether preparing went right. */
import sharp from 'sharp';
import { VERSIONS, type Version } from '../../config/input.ts';
import { STAGE_NAMES } from '../regression/split-names.ts';
import type { Bitmap } from './bitmap.ts';
import { textWidth, write } from './letters.ts';
import { pixels } from './pixels.ts';

/** A picture with the PNG of each version there is. */
export interface SheetPicture {
  image: string;
  versions: Partial<Record<Version, Uint8Array>>;
}

/** Pictures of one stage, in order; of no stage where there are no labels. */
export interface SheetRow {
  stage: number | null;
  pictures: SheetPicture[];
}

/** Pictures of each stage. */
export const SHEET_COLUMNS = 2;

const TITLES: Record<Version, string> = { a: 'as is', r: 'rotated', fa: 'mirrored', fr: 'both' };
const TILE = 128;
const GAP = 4;
const BETWEEN_PICTURES = 24;
const MARGIN = 16;
const LABELS = 172;
const HEADER = 22;
/** The line with the picture's name. */
const CAPTION = 18;
const BETWEEN_ROWS = 14;
const ROW = CAPTION + TILE + BETWEEN_ROWS;
const PAPER = 0xf7;
const INK = [0x22, 0x22, 0x22] as const;
const SOFT = [0x77, 0x77, 0x77] as const;

/**
 * Draws the rows, each with the versions of its first `SHEET_COLUMNS` pictures side by side; a row without a picture says so.
 * @returns a PNG, the same bytes for the same pictures
 */
export async function drawContactSheet(rows: readonly SheetRow[], versions: readonly Version[]): Promise<Buffer> {
  const shown = VERSIONS.filter(version => versions.includes(version));
  const pictureWidth = shown.length * (TILE + GAP) - GAP;
  const left = (column: number) => MARGIN + LABELS + column * (pictureWidth + BETWEEN_PICTURES);
  const top = (row: number) => MARGIN + HEADER + row * ROW;
  const width = left(SHEET_COLUMNS) - BETWEEN_PICTURES + MARGIN;
  const height = top(rows.length) - BETWEEN_ROWS + MARGIN;
  const canvas: Bitmap = { data: new Uint8Array(width * height * 3).fill(PAPER), width, height };

  for (let column = 0; column < SHEET_COLUMNS; column++) {
    for (const [n, version] of shown.entries()) {
      const title = TITLES[version];
      const middle = left(column) + n * (TILE + GAP) + TILE / 2;
      write(canvas, title, { x: middle - (textWidth(title, 2) >> 1), y: MARGIN, scale: 2, colour: INK });
    }
  }
  for (const [n, { stage, pictures }] of rows.entries()) {
    const tiles = top(n) + CAPTION;
    write(canvas, stage === null ? 'no labels' : `stage ${stage}`, { x: MARGIN, y: tiles, scale: 3, colour: INK });
    if (stage !== null) {
      write(canvas, STAGE_NAMES[stage]!, { x: MARGIN, y: tiles + 32, scale: 2, colour: SOFT });
    }
    if (pictures.length === 0) {
      write(canvas, 'no picture of this stage', { x: left(0), y: tiles, scale: 2, colour: SOFT });
    }
    for (const [column, { image, versions: pngs }] of pictures.slice(0, SHEET_COLUMNS).entries()) {
      write(canvas, fitted(image, pictureWidth), { x: left(column), y: top(n), scale: 2, colour: SOFT });
      for (const [place, version] of shown.entries()) {
        const png = pngs[version];
        if (png !== undefined) paste(canvas, await tile(png), left(column) + place * (TILE + GAP), tiles);
      }
    }
  }
  return pixels(canvas).png({ compressionLevel: 9 }).toBuffer();
}

/** A name cut to the width of its picture, in letters of scale 2. */
function fitted(name: string, width: number): string {
  let end = name.length;
  while (end > 0 && textWidth(name.slice(0, end), 2) > width) end--;
  return name.slice(0, end);
}

async function tile(png: Uint8Array): Promise<Bitmap> {
  const data = await sharp(png).resize(TILE, TILE, { kernel: 'lanczos3' }).removeAlpha().raw().toBuffer();
  return { data, width: TILE, height: TILE };
}

function paste(canvas: Bitmap, { data, width, height }: Bitmap, left: number, top: number): void {
  for (let y = 0; y < height; y++) {
    canvas.data.set(data.subarray(y * width * 3, (y + 1) * width * 3), ((top + y) * canvas.width + left) * 3);
  }
}
