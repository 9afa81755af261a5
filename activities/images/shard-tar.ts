/** Writes a tar file by file and returns the offset of each. The same files in the same order give the same bytes. */
import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import tar from 'tar-stream';
import type { Version } from '../../config/input.ts';

const BLOCK = 512;

/** Opens a tar for writing. @param path of the tar. Names given to `add` stay below 100 characters, so each has one header of 512 bytes */
export function createShardTar(path: string) {
  const pack = tar.pack();
  const written = pipeline(pack, createWriteStream(path));
  // `add` and `finish` report a write failure. No handler may be attached yet when it happens.
  written.catch(() => undefined);
  let end = 0;
  return {
    /** Appends a file, and resolves once its bytes are passed on. @returns their location within the tar */
    async add(name: string, bytes: Uint8Array): Promise<{ offset: number; size: number }> {
      const offset = end + BLOCK;
      const added = new Promise<void>((resolve, reject) => {
        // A fixed time: the bytes must not depend on when a shard was made.
        const header = { name, size: bytes.length, mode: 0o644, mtime: new Date(0) };
        pack.entry(header, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), error =>
          error ? reject(error) : resolve(),
        );
      });
      // A failed disk destroys the stream, and tar-stream then never calls back, so the first of the two decides.
      await Promise.race([added, written]);
      end = offset + Math.ceil(bytes.length / BLOCK) * BLOCK;
      return { offset, size: bytes.length };
    },
    async finish(): Promise<void> {
      pack.finalize();
      await written;
    },
    /** Stops writing. The caller removes the unfinished file. */
    async abandon(): Promise<void> {
      pack.destroy();
      await written.catch(() => undefined);
    },
  };
}

/** Returns the name in shards, databases and lists: `10_left.a.png`. */
export function fileName({ image, version }: { image: string; version: Version }): string {
  return `${image}.${version}.png`;
}
