/**
 * Writes small images as PNG. Through sharp, libpng offers no filter, or one chosen for each row by trial, which takes several times
 * as long. OpenCV writes each row as differences from the pixel before it, and run lengths with Huffman codes in zlib. This module
 * does the same: a quarter smaller than without a filter, and faster.
 */
import { promisify } from 'node:util';
import { constants, crc32, deflate } from 'node:zlib';
import { PNG } from '../../config/stages.ts';
import type { Bitmap } from './bitmap.ts';

export const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
const BYTES_A_PIXEL = 3;
const SUB = 1;
const BITS = 8;
const RGB = 2;
const STRATEGY = { rle: constants.Z_RLE } as const;

const compress = promisify<Uint8Array, { level: number; strategy: number; chunkSize: number }, Buffer>(deflate);

/** Encodes the image as a PNG of 8-bit RGB. Compression runs in the thread pool. Source: PNG specification, third edition. */
export async function encodePng(picture: Bitmap): Promise<Buffer> {
  const rows = differences(picture);
  const { level, strategy } = PNG;
  // One chunk holds the result: a compressed image never takes more than its rows.
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

/**
 * Returns every row after the number of its filter. Each byte is the difference from the same channel of the pixel to its left, modulo
 * 256.
 */
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

const HEAD = 8;
const AROUND = 12;

/** Checks the signature, the CRC-32 of each chunk, and that `IEND` ends the bytes. Source: PNG specification, third edition, 5.3. */
export function isWholePng(bytes: Buffer): boolean {
  if (!bytes.subarray(0, SIGNATURE.length).equals(SIGNATURE)) return false;
  for (let at = SIGNATURE.length; at + AROUND <= bytes.length; ) {
    const end = at + AROUND + bytes.readUInt32BE(at);
    if (end > bytes.length) return false;
    if (crc32(bytes.subarray(at + 4, end - 4)) !== bytes.readUInt32BE(end - 4)) return false;
    if (bytes.toString('latin1', at + 4, at + HEAD) === 'IEND') return end === bytes.length;
    at = end;
  }
  return false;
}
