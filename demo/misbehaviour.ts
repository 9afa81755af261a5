/** What a test or a bench may have the Kaggle-compatible server do instead of answering as it should. Plain data, to be printed and compared. */

/** Ways for a body to come other than it should. They may be joined; bytes are those of the body. */
export interface BodyFaults {
  /** The connection ends (FIN) after that many bytes; 0 ends it before the answer's first line. */
  cutAfter?: number;
  /** The connection is reset (RST) after that many bytes; 0 resets it before the answer's first line. */
  resetAfter?: number;
  /** After that many bytes nothing comes any more on a connection that stays open; 0: not even the answer's first line. */
  stallAfter?: number;
  /** One bit of the byte at this place is turned. */
  flipAt?: number;
  /** Bytes per second, instead of what the server was told. */
  bytesPerSecond?: number;
}

/** Ways for the storage to answer another question than the one that was asked. */
export interface RangeFaults {
  /** 200 with the whole file. */
  ignoreRange?: true;
  /** A 206 of at most that many bytes of the range, which says so. */
  shortenTo?: number;
  /** The right bytes under a `Content-Range` that is off by so many. */
  rangeOffBy?: number;
  /** Another entity tag than the file's, for whatever was asked: `If-Range` is overlooked. */
  etag?: string;
}

/** An answer of the caller's own, instead of the right one; status 200 unless given. */
export interface OwnAnswer {
  status?: number;
  headers?: Record<string, string>;
  body?: string;
}

export type Misbehaviour = BodyFaults & RangeFaults & OwnAnswer;

const json = (status: number, body: unknown, headers: Record<string, string> = {}): OwnAnswer => ({
  status,
  headers: { 'content-type': 'application/json', ...headers },
  body: JSON.stringify(body),
});

/** `Too many requests` or `Service unavailable`. @param retryAfter seconds, or the moment, to wait for */
export function busy(status: 429 | 503, retryAfter?: number | Date): OwnAnswer {
  const wait = retryAfter instanceof Date ? retryAfter.toUTCString() : retryAfter;
  const [message, name] =
    status === 429 ? ['Too many requests', 'RESOURCE_EXHAUSTED'] : ['Service unavailable', 'UNAVAILABLE'];
  const headers = wait === undefined ? undefined : { 'retry-after': String(wait) };
  return json(status, { error: { code: status, message, status: name } }, headers);
}

/** An error in the older of Kaggle's two shapes. */
export const refusal = (status: number, message: string): OwnAnswer => json(status, { code: status, message });

/** An error that comes as a success. */
export const errorUnder200 = (code: number, message: string): OwnAnswer => json(200, { code, message });

/** What a sign-in page or a maintenance page looks like to a client of the API. */
export const webPage = (): OwnAnswer => ({
  headers: { 'content-type': 'text/html; charset=utf-8' },
  body: '<!doctype html><html><body><h1>Sign in</h1></body></html>',
});

/** An error of the storage in the shape of Google Cloud Storage's XML API. */
export const storageError = (status: number, code: string, message: string): OwnAnswer => ({
  status,
  headers: { 'content-type': 'application/xml; charset=UTF-8' },
  body: `<?xml version='1.0' encoding='UTF-8'?><Error><Code>${code}</Code><Message>${message}</Message></Error>`,
});

/** An address whose time is over: 400 for those signed in the V4 form, 403 for those in the older V2 form. */
export const expired = (form: 'v4' | 'v2'): OwnAnswer =>
  storageError(form === 'v4' ? 400 : 403, 'ExpiredToken', 'The provided token has expired.');
