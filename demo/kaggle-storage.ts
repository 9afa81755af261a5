/**
 * The storage half of the Kaggle-compatible server: signed addresses that expire, and objects served by ranges with the
 * headers and errors of Google Cloud Storage's XML API.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders, ServerResponse } from 'node:http';

export interface ServedFile {
  /** As the listing shows it and a client asks for it: `train.zip.001`. */
  name: string;
  /** Last segment of the final address where that differs: `train.zip.001.zip` for a part that comes in a one-entry zip. */
  servedAs?: string;
  /** Bytes. */
  size: number;
  /** CRC-32C, unsigned 32 bit. */
  crc32c: number;
  lastModified?: Date;
  read(offset: number, length: number): Promise<Buffer>;
}

/** Bytes read and written at once: the memory of an answer, whatever the range. */
const CHUNK = 1 << 20;
const ROOT = '/kaggle-competitions-data/kaggle';

/** What the pictures of the competition are dated; a fixed date keeps the listing of equal files equal. */
export const LAUNCH_DATE = new Date('2015-02-17T00:00:00Z');

export interface SignedAddresses {
  /** Address of the file, good for `seconds`. */
  sign(origin: string, file: ServedFile, seconds: number): string;
  /** The name asked for, or the status and code with which the storage refuses the address. */
  verify(url: URL): { name: string } | { status: number; code: string; message: string };
}

/** Addresses in the V4 form, signed with a key that nobody else has. */
export function signedAddresses(competition: string): SignedAddresses {
  const key = randomBytes(32);
  const signature = (path: string, query: URLSearchParams) => {
    const signed = ['X-Goog-Algorithm', 'X-Goog-Credential', 'X-Goog-Date', 'X-Goog-Expires', 'X-Goog-SignedHeaders'];
    return createHmac('sha256', key)
      .update(['GET', path, ...signed.map(name => query.get(name))].join('\n'))
      .digest();
  };
  return {
    sign(origin, file, seconds) {
      const path = `${ROOT}/${competition}/${encodeURIComponent(file.name)}/${encodeURIComponent(file.servedAs ?? file.name)}`;
      const date = new Date().toISOString().replace(/[-:]|\.\d+/g, '');
      const query = new URLSearchParams({
        'X-Goog-Algorithm': 'GOOG4-HMAC-SHA256',
        'X-Goog-Credential': `storage/${date.slice(0, 8)}/auto/storage/goog4_request`,
        'X-Goog-Date': date,
        'X-Goog-Expires': String(seconds),
        'X-Goog-SignedHeaders': 'host',
      });
      query.set('X-Goog-Signature', signature(path, query).toString('hex'));
      return `${origin}${path}?${query}`;
    },
    verify(url) {
      const given = Buffer.from(url.searchParams.get('X-Goog-Signature') ?? '', 'hex');
      const wanted = signature(url.pathname, url.searchParams);
      if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) {
        return { status: 403, code: 'SignatureDoesNotMatch', message: 'The request signature does not match.' };
      }
      const [, y, mo, d, h, mi, s] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(
        url.searchParams.get('X-Goog-Date') ?? '',
      )!;
      const signedAt = Date.UTC(Number(y), Number(mo) - 1, Number(d), Number(h), Number(mi), Number(s));
      if (Date.now() >= signedAt + Number(url.searchParams.get('X-Goog-Expires')) * 1000) {
        return { status: 400, code: 'ExpiredToken', message: 'The provided token has expired.' };
      }
      return { name: decodeURIComponent(url.pathname.split('/').at(-2)!) };
    },
  };
}

export const isStoragePath = (path: string) => path.startsWith(`${ROOT}/`);

/** The entity tag of a file: equal content, equal tag. */
export const etagOf = (file: ServedFile) => `"${hex(file.crc32c)}${file.size.toString(16)}"`;

const hex = (crc: number) => crc.toString(16).padStart(8, '0');

/**
 * First and last byte that a `Range` header asks for; undefined where the header has to be ignored (absent, several ranges,
 * nonsense), null where nothing of it is in the file.
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

/** Answers a GET of an object; `onBytes` hears of each chunk of body, and what it returns limits the chunk (0 cuts the connection). */
export async function serveObject(
  file: ServedFile,
  headers: IncomingHttpHeaders,
  response: ServerResponse,
  onBytes: (length: number) => number = length => length,
): Promise<void> {
  const etag = etagOf(file);
  const modified = (file.lastModified ?? LAUNCH_DATE).toUTCString();
  const common = {
    ETag: etag,
    'Last-Modified': modified,
    'Accept-Ranges': 'bytes',
    'Content-Type': 'application/octet-stream',
    'x-goog-generation': String(parseInt(hex(file.crc32c), 16)),
    'x-goog-hash': `crc32c=${Buffer.from(hex(file.crc32c), 'hex').toString('base64')}`,
  };
  if (headers['if-none-match'] === etag) {
    response.writeHead(304, common).end();
    return;
  }
  const condition = headers['if-range'];
  const holds = condition === undefined || condition === etag || condition === modified;
  const range = holds ? parseRange(headers.range, file.size) : undefined;
  if (range === null) {
    response.writeHead(416, { ...common, 'Content-Range': `bytes */${file.size}`, 'Content-Length': 0 }).end();
    return;
  }
  const { first, last } = range ?? { first: 0, last: file.size - 1 };
  response.writeHead(range ? 206 : 200, {
    ...common,
    'Content-Length': last - first + 1,
    ...(range ? { 'Content-Range': `bytes ${first}-${last}/${file.size}` } : {}),
  });
  for (let offset = first; offset <= last && !response.destroyed; ) {
    const allowed = onBytes(Math.min(CHUNK, last + 1 - offset));
    if (allowed === 0) {
      response.destroy();
      return;
    }
    const bytes = await file.read(offset, allowed);
    if (bytes.length === 0) throw new Error(`Expected ${file.name} to have ${file.size} bytes, got ${offset}`);
    offset += bytes.length;
    if (!response.write(bytes)) await drained(response);
  }
  response.end();
}

/** Waits until the client has taken what was written, or has left. */
function drained(response: ServerResponse): Promise<void> {
  return new Promise(resolve => {
    const done = () => {
      response.off('drain', done);
      response.off('close', done);
      resolve();
    };
    response.on('drain', done);
    response.on('close', done);
    if (response.destroyed) done();
  });
}
