/**
 * Writes small photographs as PNG. libpng by way of sharp offers a filter for each row found by trial, which takes several times as
 * long, or none; each row as differences from the pixel before it, and run lengths with Huffman codes in zlib, is what OpenCV writes:
 * a quarter smaller than without a filter, and faster.
 */
import { promisify } from 'node:util';
import { constants, crc32, deflate } from 'node:zlib';
import { PNG } from '../../config/picture-recipe.ts';
import type { Bitmap } from './bitmap.ts';

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
const BYTES_A_PIXEL = 3;
const SUB = 1;
const BITS = 8;
const RGB = 2;
const STRATEGY = { rle: constants.Z_RLE } as const;

const compress = promisify<Uint8Array, { level: number; strategy: number; chunkSize: number }, Buffer>(deflate);

/** The picture as a PNG of 8-bit RGB. Compression runs in the thread pool. Source: PNG specification, third edition. */
export async function encodePng(picture: Bitmap): Promise<Buffer> {
  const rows = differences(picture);
  const { level, strategy } = PNG;
  // In one piece: a picture never takes more than its rows.
  const data = await compress(rows, { level, strategy: STRATEGY[strategy], chunkSize: Math.max(64, rows.length) });
  const header = Buffer.alloc(13);
  header.writeUInt32BE(picture.width, 0);
  header.writeUInt32BE(picture.height, 4);
  header.set([BITS, RGB], 8);
  return Buffer.concat([
    SIGNATURE,
    ...chunk('IHDR', header),
    ...chunk('IDAT', data),
    ...chunk('IEND', Buffer.alloc(0)),
  ]);
}

/** Every row behind the number of its filter, each byte less the one of the same colour to its left, modulo 256. */
function differences({ data, width, height }: Bitmap): Buffer {
  const length = width * BYTES_A_PIXEL;
  const rows = Buffer.allocUnsafe((length + 1) * height);
  let to = 0;
  for (let from = 0; from < length * height; ) {
    rows[to++] = SUB;
    const end = from + length;
    for (const second = from + BYTES_A_PIXEL; from < second; from++) rows[to++] = data[from]!;
    for (; from < end; from++) rows[to++] = data[from]! - data[from - BYTES_A_PIXEL]!;
  }
  return rows;
}

function chunk(type: string, data: Buffer): Buffer[] {
  const head = Buffer.alloc(8);
  head.writeUInt32BE(data.length, 0);
  head.write(type, 4, 'latin1');
  const end = Buffer.alloc(4);
  end.writeUInt32BE(crc32(data, crc32(head.subarray(4))), 0);
  return [head, data, end];
}
