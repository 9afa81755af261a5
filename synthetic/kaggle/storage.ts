/**
 * Storage half of the Kaggle-compatible server: serves objects by ranges, with the headers and errors of Google Cloud Storage's
 * XML API.
 */

import type { IncomingMessage, ServerResponse } from 'node:http';
import { hex } from '../../storage/checksum.ts';
import { sendBody } from './send-body.ts';
import type { Misbehaviour } from './server-faults.ts';

export interface ServedFile {
  /** Name in the listing and in a client's request: `train.zip.001`. */
  name: string;
  /** Last segment of the final address where that differs: `train.zip.001.zip` for a part in a one-entry zip. */
  servedAs?: string;
  /** Bytes. */
  size: number;
  /** CRC-32C, unsigned 32 bit. */
  crc32c: number;
  /** The 16 bytes of its MD5; absent for an object that the storage has composed from others. */
  md5?: Buffer;
  lastModified?: Date;
  /** Reads at least one and at most `length` bytes from `offset`. The result may be a view, as it is never written to. */
  read(offset: number, length: number): Promise<Buffer>;
}

/** Date of the competition's images. A fixed date keeps the listing of equal files equal. */
export const LAUNCH_DATE = new Date('2015-02-17T00:00:00Z');

/** Returns the entity tag of a file: equal content, equal tag. */
export const etagOf = (file: ServedFile) => `"${hex(file.crc32c)}${file.size.toString(16)}"`;

/**
 * Parses a `Range` header into its first and last byte. Returns undefined where the header has to be ignored (absent, several
 * ranges, nonsense), and null where none of the range is in the file.
 */
export function parseRange(
  header: string | undefined,
  size: number,
): { first: number; last: number } | null | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '');
  if (!match || (match[1] === '' && match[2] === '')) return undefined;
  if (match[1] === '') {
    const length = Math.min(Number(match[2]), size);
    return length === 0 ? null : { first: size - length, last: size - 1 };
  }
  const first = Number(match[1]);
  const last = match[2] === '' ? size - 1 : Math.min(Number(match[2]), size - 1);
  if (match[2] !== '' && Number(match[2]) < first) return undefined;
  return first >= size ? null : { first, last };
}

/** Returns whether a condition's list of entity tags names this one. A weak tag names the same content. */
function names(condition: string | undefined, etag: string): boolean {
  if (condition === undefined) return false;
  return condition.split(',').some(tag => ['*', etag].includes(tag.trim().replace(/^W\//, '')));
}

export interface ServeOptions {
  odd?: Misbehaviour;
  /** Limit of each connection. */
  bytesPerSecond?: number;
  /** Checksums in one `x-goog-hash` line, or in one for each. */
  hashLines?: 'joined' | 'apart';
  /** Gets the length of each piece of the body before it is sent. */
  onBytes?: (length: number) => void;
}

/** Responds to a GET or HEAD of an object like Google Cloud Storage, except for the faults in `odd`. */
export async function serveObject(
  file: ServedFile,
  { method, headers }: Pick<IncomingMessage, 'method' | 'headers'>,
  response: ServerResponse,
  { odd = {}, bytesPerSecond, hashLines = 'joined', onBytes }: ServeOptions = {},
): Promise<void> {
  const etag = odd.etag ?? etagOf(file);
  const modified = (file.lastModified ?? LAUNCH_DATE).toUTCString();
  const hashes = [`crc32c=${Buffer.from(hex(file.crc32c), 'hex').toString('base64')}`];
  if (file.md5) hashes.push(`md5=${file.md5.toString('base64')}`);
  response.setHeaders(
    new Map<string, string | string[]>([
      ['ETag', etag],
      ['Last-Modified', modified],
      ['Accept-Ranges', 'bytes'],
      ['Content-Type', 'application/octet-stream'],
      ['x-goog-generation', String(file.crc32c)],
      ['x-goog-hash', hashLines === 'apart' ? hashes : hashes.join(',')],
    ]),
  );
  if (names(headers['if-none-match'], etag)) {
    response.writeHead(304).end();
    return;
  }
  if (method === 'HEAD') {
    response.writeHead(200, { 'Content-Length': file.size }).end();
    return;
  }
  const condition = headers['if-range'];
  const holds = condition === undefined || condition === etag || condition === modified || odd.etag !== undefined;
  const asked = holds && !odd.ignoreRange ? parseRange(headers.range, file.size) : undefined;
  if (asked === null) {
    response.writeHead(416, { 'Content-Range': `bytes */${file.size}`, 'Content-Length': 0 }).end();
    return;
  }
  const { first, last: wanted } = asked ?? { first: 0, last: file.size - 1 };
  const last = asked ? Math.min(wanted, first + (odd.shortenTo ?? Number.POSITIVE_INFINITY) - 1) : wanted;
  const size = last - first + 1;
  response.statusCode = asked ? 206 : 200;
  response.setHeader('Content-Length', size);
  if (asked) {
    const by = odd.rangeOffBy ?? 0;
    response.setHeader('Content-Range', `bytes ${first + by}-${last + by}/${file.size}`);
  }
  const read = (offset: number, length: number) => file.read(first + offset, length);
  await sendBody(response, { size, read }, { ...(bytesPerSecond && { bytesPerSecond }), ...odd }, onBytes);
}
