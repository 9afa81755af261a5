/** `s3://bucket/prefix`: where a store lies in S3. */

export interface S3Address {
  bucket: string;
  /** What every key is put behind: empty, or `prefix/`. */
  base: string;
  /** The URL in its one form: no slash at its end. */
  url: string;
}

const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
const SEGMENT = /^(?!\.\.?$)[A-Za-z0-9._-]+$/;

/** @throws Error with one line for a person when it is no such URL */
export function parseS3Url(text: string): S3Address {
  const [, bucket = '', path = ''] = /^s3:\/\/([^/]*)\/?(.*?)\/*$/s.exec(text) ?? [];
  if (BUCKET.test(bucket) && (path === '' || path.split('/').every(segment => SEGMENT.test(segment)))) {
    return path === ''
      ? { bucket, base: '', url: `s3://${bucket}` }
      : { bucket, base: `${path}/`, url: `s3://${bucket}/${path}` };
  }
  throw new Error(
    `Expected the store to be \`s3://bucket/prefix\` of small letters, digits, dots and hyphens for the bucket and [A-Za-z0-9._-] for the prefix, got \`${text}\``,
  );
}
