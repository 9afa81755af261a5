/**
 * Multipart uploads of S3 that every process finds again.
 *
 * A record, `.uploads/<hash of the key>/<hash of what is uploaded>.json`, names the UploadId; whoever makes it first, wins, so that
 * two attempts at the same thing share one upload. The parts that S3 lists are what is done, each with its CRC-32C. Where a server
 * keeps no such checksums, an empty object beside the record says each part's: `…/<hash>/<n>-<CRC-32C>-<ETag>`.
 */
import { createHash } from 'node:crypto';
import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  ListPartsCommand,
  type ListPartsCommandInput,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { sha256 } from './checksum.ts';
import type { S3Bucket } from './s3-bucket.ts';
import { formatCrc32c, parseCrc32c } from './s3-checksum.ts';
import { hasStatus, isFault } from './s3-fault.ts';
import { removeObject } from './s3-remove.ts';
import type { UploadOptions } from './store.ts';

export const UPLOADS = '.uploads/';

export interface Multipart {
  key: string;
  uploadId: string;
  /** Of the record, without `.json`. */
  place: string;
  /** Of the record's version. */
  etag: string;
  /** The server proves each part's CRC-32C, and the whole object's. */
  checksums: boolean;
}

export interface StoredPart {
  size: number;
  etag: string;
  /** Undefined where nobody has said it. */
  crc32c: number | undefined;
  modified: Date;
}

/** Where the records of uploads to `key` lie. */
export const recordsOf = (key: string): string => `${UPLOADS}${sha256(key).slice(0, 32)}/`;

/** Where the record of this upload lies, without `.json`. */
export function placeOf(key: string, { sourceTag, size, partSize }: UploadOptions): string {
  return `${recordsOf(key)}${sha256(JSON.stringify([sourceTag, size, partSize])).slice(0, 32)}`;
}

/** The upload that the record at `place` names, which may be over; undefined where there is no record. */
export async function findMultipart(bucket: S3Bucket, place: string): Promise<Multipart | undefined> {
  try {
    return await bucket.ask('s3:GetObject', `${place}.json`, async name => {
      const { Body, ETag = '' } = await bucket.client.send(new GetObjectCommand(name));
      const { key, uploadId, checksums } = JSON.parse((await Body?.transformToString()) ?? '') as Multipart;
      return { key, uploadId, checksums, place, etag: ETag };
    });
  } catch (error) {
    if (isFault(error, 'NoSuchKey', 'NotFound')) return undefined;
    throw error;
  }
}

/**
 * Begins an upload and makes its record, over that of `before`, whose upload is over.
 * @returns undefined when somebody else was quicker
 */
export async function makeMultipart(
  bucket: S3Bucket,
  key: string,
  place: string,
  before: Multipart | undefined,
): Promise<Multipart | undefined> {
  const begun = await beginMultipart(bucket, key);
  const record = Buffer.from(JSON.stringify({ key, ...begun }));
  const condition = before ? { IfMatch: before.etag } : { IfNoneMatch: '*' };
  try {
    const { ETag = '' } = await bucket.ask('s3:PutObject', `${place}.json`, name =>
      bucket.client.send(new PutObjectCommand({ ...name, ...condition, Body: record })),
    );
    return { ...begun, key, place, etag: ETag };
  } catch (error) {
    await abortUpload(bucket, key, begun.uploadId);
    // 404: the record that was to be replaced has just been removed.
    if (hasStatus(error, 412) || hasStatus(error, 409) || isFault(error, 'NoSuchKey')) return undefined;
    throw error;
  }
}

async function beginMultipart(bucket: S3Bucket, key: string): Promise<Pick<Multipart, 'uploadId' | 'checksums'>> {
  const create = (checksums: object) =>
    bucket.ask('s3:PutObject', key, name =>
      bucket.client.send(new CreateMultipartUploadCommand({ ...name, ...checksums })),
    );
  const proven = await create({ ChecksumAlgorithm: 'CRC32C', ChecksumType: 'FULL_OBJECT' }).catch(error => {
    if (isUnknownToServer(error)) return undefined;
    throw error;
  });
  if (proven?.ChecksumType === 'FULL_OBJECT' && proven.ChecksumAlgorithm === 'CRC32C') {
    return { uploadId: proven.UploadId!, checksums: true };
  }
  // An older server, which may also have begun an upload with checksums of another kind.
  if (proven?.UploadId) await abortUpload(bucket, key, proven.UploadId);
  return { uploadId: (await create({})).UploadId!, checksums: false };
}

const isUnknownToServer = (error: unknown) =>
  hasStatus(error, 501) || isFault(error, 'InvalidRequest', 'InvalidArgument', 'NotImplemented');

/** The parts that are there, by number from 0; undefined when the upload is over. */
export async function partsOf(bucket: S3Bucket, multipart: Multipart): Promise<Map<number, StoredPart> | undefined> {
  const { key, uploadId: UploadId } = multipart;
  const parts = new Map<number, StoredPart>();
  let next: { PartNumberMarker?: string } | undefined = {};
  while (next) {
    const page: Omit<ListPartsCommandInput, 'Bucket' | 'Key'> = { ...next, UploadId };
    const answer = await bucket
      .ask('s3:ListMultipartUploadParts', key, name => bucket.client.send(new ListPartsCommand({ ...name, ...page })))
      .catch(error => {
        if (isFault(error, 'NoSuchUpload')) return undefined;
        throw error;
      });
    if (!answer) return undefined;
    for (const { PartNumber = 0, Size = 0, ETag = '', ChecksumCRC32C, LastModified = new Date() } of answer.Parts ??
      []) {
      const part = { size: Size, etag: ETag, crc32c: parseCrc32c(ChecksumCRC32C), modified: LastModified };
      parts.set(PartNumber - 1, part);
    }
    next =
      answer.IsTruncated && answer.NextPartNumberMarker ? { PartNumberMarker: answer.NextPartNumberMarker } : undefined;
  }
  if (!multipart.checksums) await readMarks(bucket, multipart, parts);
  return parts;
}

/** @throws S3Fault `NoSuchUpload` when the upload is over, `BadDigest` when other bytes arrived */
export async function sendPart(
  bucket: S3Bucket,
  multipart: Multipart,
  n: number,
  body: Uint8Array,
  crc: number,
): Promise<void> {
  const { key, uploadId: UploadId, checksums } = multipart;
  const proof = checksums
    ? { ChecksumCRC32C: formatCrc32c(crc) }
    : { ContentMD5: createHash('md5').update(body).digest('base64') };
  const part = { ...proof, UploadId, PartNumber: n + 1, Body: body, ContentLength: body.byteLength };
  const { ETag = '' } = await bucket.ask('s3:PutObject', key, name =>
    bucket.client.send(new UploadPartCommand({ ...name, ...part })),
  );
  if (!checksums) await mark(bucket, multipart, n, crc, ETag);
}

/** Makes the object of its parts, unless there is one. @param crc of the whole */
export async function completeMultipart(
  bucket: S3Bucket,
  { key, uploadId: UploadId, checksums }: Multipart,
  parts: ReadonlyMap<number, StoredPart>,
  crc: number,
): Promise<void> {
  const Parts = [...parts]
    .sort(([a], [b]) => a - b)
    .map(([n, { etag, crc32c }]): CompletedPart => {
      const proof = checksums ? { ChecksumCRC32C: formatCrc32c(crc32c!) } : {};
      return { ...proof, PartNumber: n + 1, ETag: etag };
    });
  const proof = checksums ? ({ ChecksumCRC32C: formatCrc32c(crc), ChecksumType: 'FULL_OBJECT' } as const) : {};
  const all = { ...proof, UploadId, IfNoneMatch: '*', MultipartUpload: { Parts } };
  await bucket.ask('s3:PutObject', key, name =>
    bucket.patient.send(new CompleteMultipartUploadCommand({ ...name, ...all })),
  );
}

/** Frees the parts, and forgets the upload. One that is over is success. */
export async function dropMultipart(bucket: S3Bucket, multipart: Multipart): Promise<void> {
  await abortUpload(bucket, multipart.key, multipart.uploadId);
  await forgetMultipart(bucket, multipart);
}

/** Removes what lies beside an upload that is over. */
export async function forgetMultipart(bucket: S3Bucket, { place, checksums }: Multipart): Promise<void> {
  if (!checksums) {
    for await (const { key } of bucket.list(`${place}/`)) await removeObject(bucket, key);
  }
  await removeObject(bucket, `${place}.json`);
}

export async function abortUpload(bucket: S3Bucket, key: string, UploadId: string): Promise<void> {
  try {
    await bucket.ask('s3:AbortMultipartUpload', key, name =>
      bucket.client.send(new AbortMultipartUploadCommand({ ...name, UploadId })),
    );
  } catch (error) {
    if (!isFault(error, 'NoSuchUpload')) throw error;
  }
}

const bare = (etag: string) => etag.replaceAll(/[^\w-]/g, '');

async function mark(bucket: S3Bucket, { place }: Multipart, n: number, crc: number, etag: string): Promise<void> {
  const at = `${place}/${n}-${crc.toString(16).padStart(8, '0')}-${bare(etag)}`;
  await bucket.ask('s3:PutObject', at, name =>
    bucket.client.send(new PutObjectCommand({ ...name, Body: Buffer.alloc(0), ContentLength: 0 })),
  );
}

/** A part that was put again has two marks: its ETag tells which one holds. */
async function readMarks(bucket: S3Bucket, { place }: Multipart, parts: Map<number, StoredPart>): Promise<void> {
  for await (const { key } of bucket.list(`${place}/`)) {
    const [, n, crc, etag] = /\/(\d+)-([0-9a-f]{8})-([\w-]+)$/.exec(key) ?? [];
    const part = parts.get(Number(n));
    if (part && crc !== undefined && bare(part.etag) === etag) {
      parts.set(Number(n), { ...part, crc32c: Number.parseInt(crc, 16) });
    }
  }
}
