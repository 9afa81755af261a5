/** A tar that is written file by file and knows where each lies: the same files in the same order give the same bytes. */
import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import tar from 'tar-stream';

const BLOCK = 512;

export interface ShardTar {
  /** Appends a file; resolves once its bytes are handed on. @returns where they lie within the tar */
  add(name: string, bytes: Uint8Array): Promise<{ offset: number; size: number }>;
  /** Ends the tar; resolves when the file is written. */
  finish(): Promise<void>;
  /** Gives it up; the unfinished file stays for its owner to remove. */
  abandon(): Promise<void>;
}

/** @param path of the file to be written. Names given to `add` stay below 100 characters: each has one header of 512 bytes. */
export function createShardTar(path: string): ShardTar {
  const pack = tar.pack();
  const written = pipeline(pack, createWriteStream(path));
  // Whoever adds or finishes hears of a failure to write; nobody may be listening when it comes.
  written.catch(() => undefined);
  let end = 0;
  return {
    async add(name, bytes) {
      const offset = end + BLOCK;
      const added = new Promise<void>((resolve, reject) => {
        // A fixed time: the bytes must not depend on when a shard was made.
        const header = { name, size: bytes.length, mode: 0o644, mtime: new Date(0) };
        pack.entry(header, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), error =>
          error ? reject(error) : resolve(),
        );
      });
      // A failed disk destroys the stream, and tar-stream then never answers: whichever comes first.
      await Promise.race([added, written]);
      end = offset + Math.ceil(bytes.length / BLOCK) * BLOCK;
      return { offset, size: bytes.length };
    },
    async finish() {
      pack.finalize();
      await written;
    },
    async abandon() {
      pack.destroy();
      await written.catch(() => undefined);
    },
  };
}
