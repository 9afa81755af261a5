/** Buffers for the bodies of puts, reused while puts are in progress. */
import { type Pieces, wrongSize } from './store.ts';

/** Creates a pool of buffers. Each body is collected in one buffer, because S3 needs the checksum before the bytes. */
export function createBuffers() {
  // While puts are in progress, each reuses the buffer of a finished one. A new buffer costs page faults and a collection.
  const free: Buffer[] = [];
  let inUse = 0;

  async function fill(buffer: Buffer, pieces: Pieces['pieces']): Promise<void> {
    let filled = 0;
    for await (const piece of pieces) {
      buffer.set(piece, filled);
      filled += piece.length;
    }
    if (filled !== buffer.length) throw wrongSize(buffer.length, filled);
  }

  return {
    async with<Result>(body: Uint8Array | Pieces, use: (bytes: Uint8Array) => Promise<Result>): Promise<Result> {
      if (body instanceof Uint8Array) return use(body);
      const fits = free.findIndex(({ length }) => length === body.size);
      const buffer = fits < 0 ? Buffer.allocUnsafeSlow(body.size) : free.splice(fits, 1)[0]!;
      inUse += 1;
      try {
        await fill(buffer, body.pieces);
        const result = await use(buffer);
        // After a failure the buffer is not reused, because an abandoned request may still read it.
        free.push(buffer);
        return result;
      } finally {
        inUse -= 1;
        if (inUse === 0) free.length = 0;
      }
    },
  };
}
