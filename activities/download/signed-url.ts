/** The signed address of a file: whoever has it may read the file, so it stays in memory. */

export interface SignedUrl {
  url: URL;
  /** Last segment of the path: the name under which the file really comes. */
  fileName: string;
  /** Ms since the epoch from which a new address is asked for before use. */
  renewAt: number;
}

/** The share of its life after which an address is renewed: a slow segment must still begin in time. */
const USABLE = 0.9;

/**
 * @param location value of the `Location` header
 * @param base what it may be relative to
 * @returns undefined where it is no http(s) address, or leads from https to http
 */
export function parseSignedUrl(location: string | undefined, base: URL, now = Date.now()): SignedUrl | undefined {
  if (location === undefined || !URL.canParse(location, base.href)) return undefined;
  const url = new URL(location, base);
  if (url.protocol !== 'https:' && (url.protocol !== 'http:' || base.protocol === 'https:')) return undefined;
  const expiry = expiryOf(url.searchParams);
  // A clock that differs from the signer's would renew before every use.
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

/** `Expires` (seconds since the epoch) of the older form, `X-Goog-Date` and `X-Goog-Expires` of the newer; ms since the epoch. */
function expiryOf(query: URLSearchParams): number | undefined {
  const expires = Number(query.get('Expires') ?? Number.NaN);
  if (expires > 0) return expires * 1000;
  const date = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(query.get('X-Goog-Date') ?? '');
  const seconds = Number(query.get('X-Goog-Expires') ?? Number.NaN);
  if (!date || !(seconds > 0)) return undefined;
  const [, y, mo, d, h, mi, s] = date.map(Number) as [number, number, number, number, number, number, number];
  return Date.UTC(y, mo - 1, d, h, mi, s) + seconds * 1000;
}
