/** Signed addresses of the Kaggle-compatible server's storage, each valid for a limited time and one file. */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { expired, type OwnAnswer, storageError } from './server-faults.ts';

const ROOT = '/kaggle-competitions-data/kaggle';

export const isStoragePath = (path: string) => path.startsWith(`${ROOT}/`);

export interface AddressedFile {
  /** Name in a client's request: `train.zip.001`. */
  name: string;
  /** Last segment of the address where that differs: `train.zip.001.zip`. */
  servedAs?: string;
}

export interface SignedAddresses {
  /** Returns an address of the file that is valid for `seconds`. */
  sign(origin: string, file: AddressedFile, seconds: number): string;
  /** Returns the requested name, or the response with which the storage refuses the address. */
  verify(url: URL): { name: string } | { refusal: OwnAnswer };
}

/** Differences between the two forms. */
interface Form {
  /** Query fields that are signed, in order. */
  fields: readonly string[];
  signature: string;
  encoding: 'hex' | 'base64';
  make(seconds: number): Record<string, string>;
  /** Returns the time of expiry, in ms since the epoch. */
  expiry(query: URLSearchParams): number;
}

const V4: Form = {
  fields: ['X-Goog-Algorithm', 'X-Goog-Credential', 'X-Goog-Date', 'X-Goog-Expires', 'X-Goog-SignedHeaders'],
  signature: 'X-Goog-Signature',
  encoding: 'hex',
  make(seconds) {
    const date = new Date().toISOString().replace(/[-:]|\.\d+/g, '');
    return {
      'X-Goog-Algorithm': 'GOOG4-HMAC-SHA256',
      'X-Goog-Credential': `storage/${date.slice(0, 8)}/auto/storage/goog4_request`,
      'X-Goog-Date': date,
      'X-Goog-Expires': String(seconds),
      'X-Goog-SignedHeaders': 'host',
    };
  },
  expiry(query) {
    const date = query.get('X-Goog-Date')!.replace(/^(\d{4})(\d\d)(\d\dT\d\d)(\d\d)(\d\dZ)$/, '$1-$2-$3:$4:$5');
    return Date.parse(date) + Number(query.get('X-Goog-Expires')) * 1000;
  },
};

const V2: Form = {
  fields: ['GoogleAccessId', 'Expires'],
  signature: 'Signature',
  encoding: 'base64',
  make: seconds => ({
    GoogleAccessId: 'web-data@kaggle-compatible.iam.gserviceaccount.com',
    Expires: String(Math.floor(Date.now() / 1000) + seconds),
  }),
  expiry: query => Number(query.get('Expires')) * 1000,
};

/** Signs and verifies addresses in the V4 form or in the older V2 form, with a random key of its own. */
export function signedAddresses(competition: string, form: 'v4' | 'v2'): SignedAddresses {
  const key = randomBytes(32);
  const { fields, signature, encoding, make, expiry } = form === 'v4' ? V4 : V2;
  const sign = (path: string, query: URLSearchParams) =>
    createHmac('sha256', key)
      .update(['GET', path, ...fields.map(name => query.get(name))].join('\n'))
      .digest();
  return {
    sign(origin, { name, servedAs = name }, seconds) {
      const path = `${ROOT}/${competition}/${encodeURIComponent(name)}/${encodeURIComponent(servedAs)}`;
      const query = new URLSearchParams(make(seconds));
      query.set(signature, sign(path, query).toString(encoding));
      return `${origin}${path}?${query}`;
    },
    verify(url) {
      const given = Buffer.from(url.searchParams.get(signature) ?? '', encoding);
      const wanted = sign(url.pathname, url.searchParams);
      if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) {
        return {
          refusal: storageError(403, 'SignatureDoesNotMatch', 'The request signature does not match.'),
        };
      }
      if (Date.now() >= expiry(url.searchParams)) return { refusal: expired(form) };
      return { name: decodeURIComponent(url.pathname.split('/').at(-2)!) };
    },
  };
}
