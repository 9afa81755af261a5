/** `s3://bucket/prefix`: the location of a store in S3. */
import { quote } from '../lib/quote.ts';

export interface S3Address {
  bucket: string;
  /** Prefix of every key: empty, or `prefix/`. */
  base: string;
  /** The URL in its canonical form, without a trailing slash. */
  url: string;
}

const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
/** Bucket names that S3 reserves or takes for something else: an address, an alias, a bucket of another type. */
const RESERVED = /^\d+(\.\d+){3}$|\.\.|^(xn--|sthree-)|(-s3alias|--ol-s3|\.mrap|--x-s3|--table-s3)$/;
const SEGMENT = /^(?!\.\.?$)[A-Za-z0-9._-]+$/;

/** Parses `s3://bucket/prefix`. @throws Error with a one-line message when `text` is no such URL */
export function parseS3Url(text: string): S3Address {
  const [, bucket = '', path = ''] = /^s3:\/\/([^/]*)\/?(.*?)\/*$/s.exec(text) ?? [];
  if (RESERVED.test(bucket)) {
    throw new Error(
      `Expected the store to be in a bucket that S3 can have, got \`${bucket}\`: no IP address, no two dots side by side, no xn--… or …--x-s3 as AWS uses for others`,
    );
  }
  if (BUCKET.test(bucket) && (path === '' || path.split('/').every(segment => SEGMENT.test(segment)))) {
    return path === ''
      ? { bucket, base: '', url: `s3://${bucket}` }
      : { bucket, base: `${path}/`, url: `s3://${bucket}/${path}` };
  }
  throw new Error(
    `Expected the store to be \`s3://bucket/prefix\` of small letters, digits, dots and hyphens for the bucket and [A-Za-z0-9._-] for the prefix, got \`${quote(text)}\``,
  );
}
