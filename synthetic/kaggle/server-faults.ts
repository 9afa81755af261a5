/** Faults that a test or a benchmark may ask of the Kaggle-compatible server. They are plain data, to be printed and compared. */

/** Faults in the transfer of a body. They may be combined; bytes are those of the body. */
export interface BodyFaults {
  /** The connection ends (FIN) after that many bytes; 0 ends it before the response's first line. */
  cutAfter?: number;
  /** The connection is reset (RST) after that many bytes; 0 resets it before the response's first line. */
  resetAfter?: number;
  /** No more data comes after that many bytes, on a connection that stays open; with 0 not even the response's first line. */
  stallAfter?: number;
  /** Offset of a byte in which one bit is flipped. */
  flipAt?: number;
  /** Bytes per second, instead of the server's own limit. */
  bytesPerSecond?: number;
}

/** Faults in the storage's handling of ranges. */
export interface RangeFaults {
  /** Sends 200 with the whole file. */
  ignoreRange?: true;
  /** Sends a 206 of at most that many bytes of the range, with a matching `Content-Range`. */
  shortenTo?: number;
  /** Sends the right bytes with a `Content-Range` that is off by this many. */
  rangeOffBy?: number;
  /** Sends another entity tag than the file's, for any request, and ignores `If-Range`. */
  etag?: string;
}

/** A response of the caller's own, instead of the right one. The default status is 200. */
export interface OwnAnswer {
  status?: number;
  headers?: Record<string, string>;
  body?: string;
}

export type Misbehaviour = BodyFaults & RangeFaults & OwnAnswer;

/** Returns a response in JSON. */
export const json = (status: number, body: unknown, headers: Record<string, string> = {}): OwnAnswer => ({
  status,
  headers: { 'content-type': 'application/json', ...headers },
  body: JSON.stringify(body),
});

/** Returns an error in the older of Kaggle's two forms. */
export const refusal = (status: number, message: string): OwnAnswer => json(status, { code: status, message });

/** Returns an error of the storage in the form of Google Cloud Storage's XML API. */
export const storageError = (status: number, code: string, message: string): OwnAnswer => ({
  status,
  headers: { 'content-type': 'application/xml; charset=UTF-8' },
  body: `<?xml version='1.0' encoding='UTF-8'?><Error><Code>${code}</Code><Message>${message}</Message></Error>`,
});

/** Returns the response for an expired address: 400 for those signed in the V4 form, 403 for those in the older V2 form. */
export const expired = (form: 'v4' | 'v2'): OwnAnswer =>
  storageError(form === 'v4' ? 400 : 403, 'ExpiredToken', 'The provided token has expired.');
