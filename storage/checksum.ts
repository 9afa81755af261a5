/** Checksums of the store: CRC-32C for bytes, SHA-256 for names. */
import { createHash } from 'node:crypto';
import { crc32c as update } from '@node-rs/crc32';

/**
 * Returns the CRC-32C (Castagnoli) of `bytes`, unsigned 32-bit, as in `x-goog-hash` and S3's `ChecksumCRC32C`.
 * @param before checksum of the bytes that precede them
 */
export function crc32c(bytes: Uint8Array, before = 0): number {
  return update(bytes, before);
}

/** Formats a 32-bit CRC as eight lowercase hex digits. */
export function hex(crc: number): string {
  return crc.toString(16).padStart(8, '0');
}

/** Returns the SHA-256 as 64 lowercase hex digits. */
export function sha256(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}

/** The Castagnoli polynomial, with the lowest power in the highest bit. */
const POLYNOMIAL = 0x82f63b78;

/**
 * Returns the CRC-32C of two concatenated pieces, from the checksum of each.
 *
 * Appending zero bytes is a linear map over GF(2) of the 32 bits. Its matrix is squared once for every bit of the length.
 * @param lengthOfB bytes of the second piece; may exceed 32 bits
 */
export function combineCrc32c(a: number, b: number, lengthOfB: number): number {
  let moved = a;
  let rest = lengthOfB;
  for (let power = oneZeroByte(); rest > 0; power = square(power)) {
    if (rest % 2 === 1) moved = apply(power, moved);
    rest = Math.floor(rest / 2);
  }
  return (moved ^ b) >>> 0;
}

/** Returns the matrix of one zero byte: that of one zero bit, squared three times. */
function oneZeroByte(): Uint32Array {
  const bit = new Uint32Array(32);
  bit[0] = POLYNOMIAL;
  for (let n = 1; n < 32; n++) bit[n] = 2 ** (n - 1);
  return square(square(square(bit)));
}

function square(matrix: Uint32Array): Uint32Array {
  return matrix.map(column => apply(matrix, column));
}

function apply(matrix: Uint32Array, vector: number): number {
  let sum = 0;
  for (let n = 0, rest = vector; rest !== 0; n++, rest >>>= 1) if (rest & 1) sum ^= matrix[n]!;
  return sum >>> 0;
}
