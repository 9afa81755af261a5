/**
 * The process that serves: a Kaggle-compatible server with files of random bytes held in memory, so that no disk is read.
 *
 * Standard output: one line with the address and the files as JSON, then a line with the number of open connections each time it changes.
 */
import { randomFillSync } from 'node:crypto';
import { subscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import { crc32c } from '../../../storage/checksum.ts';
import { type ServedFile, startKaggleServer } from '../../../synthetic/kaggle/server.ts';

export interface ServerSettings {
  competition: string;
  token: string;
  /** Files `train.zip.001` … of so many bytes each. */
  files: number;
  size: number;
  /** Bytes a second of each connection; null as fast as it goes. */
  bytesPerSecond: number | null;
  tls: { key: string; cert: string };
}

export interface ServerReady {
  url: string;
  files: { name: string; size: number; crc32c: number }[];
}

/**
 * All files are windows on one ring of noise. Its length shares no factor with any size of a chunk: bytes that come to lie at a
 * wrong place are wrong bytes.
 */
const RING = (128 << 20) - 4093;
/** The ring's beginning again, behind its end: the longest read is in one piece wherever it starts. */
const LONGEST_READ = 4 << 20;
/** Bytes from the start of one file to the start of the next. */
const STRIDE = 10_007;

const { competition, token, files: count, size, bytesPerSecond, tls } = JSON.parse(process.argv[2]!) as ServerSettings;

const noise = Buffer.allocUnsafeSlow(RING + LONGEST_READ);
randomFillSync(noise, 0, RING);
noise.copyWithin(RING, 0, LONGEST_READ);

const files = Array.from({ length: count }, (_, n): ServedFile => {
  const start = n * STRIDE;
  const window = (offset: number, length: number) => {
    const at = (start + offset) % RING;
    return noise.subarray(at, at + Math.min(length, LONGEST_READ, size - offset));
  };
  return {
    name: `train.zip.${String(n + 1).padStart(3, '0')}`,
    size,
    crc32c: checksum(window),
    read: async (offset, length) => window(offset, length),
  };
});

function checksum(window: (offset: number, length: number) => Uint8Array): number {
  let crc = 0;
  for (let offset = 0; offset < size; ) {
    const piece = window(offset, LONGEST_READ);
    crc = crc32c(piece, crc);
    offset += piece.length;
  }
  return crc;
}

let open = 0;
const changed = (by: number) => {
  open += by;
  process.stdout.write(`${open}\n`);
};
subscribe('net.server.socket', message => {
  const { socket } = message as { socket: Socket };
  changed(1);
  socket.once('close', () => changed(-1));
});

const server = await startKaggleServer({
  competition,
  files,
  token,
  tls,
  ...(bytesPerSecond !== null && { bytesPerSecond }),
});
const ready: ServerReady = {
  url: server.url,
  files: files.map(({ name, size, crc32c }) => ({ name, size, crc32c })),
};
process.stdout.write(`${JSON.stringify(ready)}\n`);
