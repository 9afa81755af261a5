import type { LargeSource } from '../../storage/large.ts';

/** Bytes that look random and are the same for the same seed. */
export function bytesOf(seed: number, length: number): Buffer {
  const words = new Uint32Array(Math.ceil(length / 4));
  let state = (seed + 1) * 0x9e3779b9;
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  return Buffer.from(words.buffer, 0, length);
}

/** Bytes as `putLarge` takes them. */
export const largeSource = (bytes: Buffer): LargeSource => ({
  size: bytes.length,
  crc32c: null,
  async *read({ offset, length }) {
    yield bytes.subarray(offset, offset + length);
  },
});
