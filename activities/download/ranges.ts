/** Parses the response headers that name the sent bytes and their version. */

type Header = string | string[] | undefined;

const one = (header: Header) => (Array.isArray(header) ? header[0] : header);

/** Parses `bytes 0-99/1234`; returns undefined for anything else. */
export function parseContentRange(header: Header): { first: number; last: number; total: number } | undefined {
  const match = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(one(header) ?? '');
  if (!match) return undefined;
  const [first, last, total] = match.slice(1).map(Number) as [number, number, number];
  return { first, last, total };
}

/** Returns the CRC-32C of `x-goog-hash`, which comes as one line or as several; null where there is none. */
export function parseGoogHash(header: Header): number | null {
  const lines = Array.isArray(header) ? header.join(',') : (header ?? '');
  const base64 = /(?:^|[,\s])crc32c=([A-Za-z0-9+/]{6}==)/.exec(lines)?.[1];
  return base64 === undefined ? null : Buffer.from(base64, 'base64').readUInt32BE();
}

/** Returns the validator of a version: a strong entity tag, else the date. A weak tag says nothing about bytes. */
export function validatorOf(headers: Record<string, Header>): string | undefined {
  const etag = one(headers.etag);
  return etag?.startsWith('"') ? etag : one(headers['last-modified']);
}
