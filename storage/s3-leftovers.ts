/** Removes uploads that nobody goes on with: S3 keeps their parts, and bills them, until somebody does. */
import { ListMultipartUploadsCommand, type ListMultipartUploadsCommandInput } from '@aws-sdk/client-s3';
import type { Listed, S3Bucket } from './s3-bucket.ts';
import {
  abortUpload,
  dropMultipart,
  findMultipart,
  forgetMultipart,
  partsOf,
  recordsOf,
  UPLOADS,
} from './s3-multipart.ts';
import { removeObject } from './s3-remove.ts';

const HOUR = 3600 * 1000;
/** The custom for the lifecycle rule that should stand behind this. */
const ABANDONED_MS = 7 * 24 * HOUR;
/** Of the same key with another tag: the source has changed, and only a late attempt may still be putting the old one's parts. */
const SUPERSEDED_MS = HOUR;

/** Ends the uploads of other things to the same key into which nothing was put for an hour. @param own place of the record that stays */
export async function abortSuperseded(bucket: S3Bucket, key: string, own: string, now = Date.now()): Promise<void> {
  await dropOthers(bucket, key, own, now - SUPERSEDED_MS);
}

/** Ends all of them, now that the object is there: none of them can be completed any more. */
export async function abortBeaten(bucket: S3Bucket, key: string, own: string): Promise<void> {
  await dropOthers(bucket, key, own, Number.POSITIVE_INFINITY);
}

async function dropOthers(bucket: S3Bucket, key: string, own: string, before: number): Promise<void> {
  for await (const record of bucket.list(recordsOf(key))) {
    const place = placeIn(record);
    if (place !== undefined && place !== own) await dropIfIdle(bucket, place, record, before);
  }
}

/** Ends every upload below the store's prefix into which nothing was put for a week, and removes what lies beside it. */
export async function removeAbandoned(bucket: S3Bucket, now = Date.now()): Promise<void> {
  const before = now - ABANDONED_MS;
  const places = new Set<string>();
  const beside: Listed[] = [];
  for await (const hidden of bucket.list(UPLOADS)) {
    const place = placeIn(hidden);
    if (place === undefined) beside.push(hidden);
    else if (!(await dropIfIdle(bucket, place, hidden, before))) places.add(place);
  }
  for (const { key, modified } of beside) {
    const place = key.slice(0, key.lastIndexOf('/'));
    if (modified.getTime() <= before && !places.has(place)) await removeObject(bucket, key);
  }
  await abortUnrecorded(bucket, before);
}

const placeIn = ({ key }: Listed) => (key.endsWith('.json') ? key.slice(0, -'.json'.length) : undefined);

/** @returns whether the upload is gone now */
async function dropIfIdle(bucket: S3Bucket, place: string, record: Listed, before: number): Promise<boolean> {
  if (record.modified.getTime() > before) return false;
  const multipart = await findMultipart(bucket, place);
  if (!multipart) return true;
  const parts = await partsOf(bucket, multipart);
  if (!parts) {
    await forgetMultipart(bucket, multipart);
    return true;
  }
  if ([...parts.values()].some(({ modified }) => modified.getTime() > before)) return false;
  await dropMultipart(bucket, multipart);
  return true;
}

/** A process that is killed between beginning an upload and making its record leaves one that only this list knows. */
async function abortUnrecorded(bucket: S3Bucket, before: number): Promise<void> {
  let next: { KeyMarker?: string; UploadIdMarker?: string } | undefined = {};
  while (next) {
    const page: ListMultipartUploadsCommandInput = { ...next, Bucket: bucket.bucket, Prefix: bucket.base };
    const answer = await bucket.ask('s3:ListBucketMultipartUploads', '', () =>
      bucket.client.send(new ListMultipartUploadsCommand(page)),
    );
    for (const { Key = '', UploadId = '', Initiated = new Date() } of answer.Uploads ?? []) {
      if (Initiated.getTime() > before) continue;
      const key = Key.slice(bucket.base.length);
      const parts = await partsOf(bucket, { key, uploadId: UploadId, place: '', etag: '', checksums: true });
      const idle = ![...(parts?.values() ?? [])].some(({ modified }) => modified.getTime() > before);
      if (parts && idle) await abortUpload(bucket, key, UploadId);
    }
    const { IsTruncated, NextKeyMarker, NextUploadIdMarker } = answer;
    next =
      IsTruncated && NextKeyMarker
        ? { KeyMarker: NextKeyMarker, ...(NextUploadIdMarker && { UploadIdMarker: NextUploadIdMarker }) }
        : undefined;
  }
}
