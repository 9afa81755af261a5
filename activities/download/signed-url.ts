/** Parses the signed address of a file. The address alone gives access to the file, so it stays in memory. */

export interface SignedUrl {
  url: URL;
  /** Last segment of the path: the name under which the server really serves the file. */
  fileName: string;
  /** Time after which a new address is requested before use, in ms since the epoch. */
  renewAt: number;
}

/** Share of its lifetime after which an address is renewed: a slow request must still start in time. */
const USABLE = 0.9;

/**
 * Parses a signed address.
 * @param location value of the `Location` header
 * @param base address that a relative location refers to
 * @returns undefined where it is no http(s) address, or leads from https to http
 */
export function parseSignedUrl(location: string | undefined, base: URL, now = Date.now()): SignedUrl | undefined {
  if (location === undefined || !URL.canParse(location, base.href)) return undefined;
  const url = new URL(location, base);
  if (url.protocol !== 'https:' && (url.protocol !== 'http:' || base.protocol === 'https:')) return undefined;
  const expiry = expiryOf(url.searchParams);
  // A clock that differs from the signer's would renew the address before every use.
  const renewAt = expiry === undefined || expiry <= now ? Number.POSITIVE_INFINITY : now + USABLE * (expiry - now);
  return { url, fileName: lastSegment(url), renewAt };
}

function lastSegment(url: URL): string {
  const segment = url.pathname.split('/').at(-1) ?? '';
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

/**
 * Returns when the address expires, in ms since the epoch. Reads `Expires` (seconds) of the older form, or `X-Goog-Date` and
 * `X-Goog-Expires`.
 */
function expiryOf(query: URLSearchParams): number | undefined {
  const expires = Number(query.get('Expires') ?? Number.NaN);
  if (expires > 0) return expires * 1000;
  const date = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(query.get('X-Goog-Date') ?? '');
  const seconds = Number(query.get('X-Goog-Expires') ?? Number.NaN);
  if (!date || !(seconds > 0)) return undefined;
  const [, y, mo, d, h, mi, s] = date.map(Number) as [number, number, number, number, number, number, number];
  return Date.UTC(y, mo - 1, d, h, mi, s) + seconds * 1000;
}
