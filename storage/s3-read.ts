/** Reads objects of S3: ranges side by side, each gone on with where a connection broke, all of one version of the object. */
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { GetObjectCommand } from '@aws-sdk/client-s3';
import pLimit from 'p-limit';
import type { S3Bucket } from './s3-bucket.ts';
import { hasStatus, isFault, S3Fault } from './s3-fault.ts';
import { type ByteRange, ObjectNotFound } from './store.ts';

/** Bytes of one request. */
const STEP = 16 << 20;
/** Requests of one read at once, behind the first. */
const AT_ONCE = 4;
/** A connection that breaks so often without bringing a byte is given up. */
const FRUITLESS = 5;
/** An object that is replaced so often while it is read is given up. */
const RESTARTS = 5;

/** @throws ObjectNotFound, S3Fault */
export async function readObject(bucket: S3Bucket, key: string, range: Partial<ByteRange>): Promise<Buffer> {
  for (let restarts = 0; ; restarts++) {
    try {
      return await readOnce(bucket, key, range);
    } catch (error) {
      if (isFault(error, 'NoSuchKey', 'NotFound')) throw new ObjectNotFound(key, bucket.url);
      // The object was replaced in the middle: what was read belongs to another one.
      if (!hasStatus(error, 412) || restarts === RESTARTS) throw error;
    }
  }
}

async function readOnce(bucket: S3Bucket, key: string, range: Partial<ByteRange>): Promise<Buffer> {
  const { offset = 0, length: wanted = Number.POSITIVE_INFINITY } = range;
  const first = Math.max(1, Math.min(STEP, wanted));
  const stop = new AbortController();
  const answer = await request(bucket, key, offset, first, undefined, stop.signal);
  if (!answer) return Buffer.alloc(0);
  const { body, etag, total } = answer;
  const target = Buffer.allocUnsafeSlow(Math.min(wanted, total - offset));
  const limit = pLimit(AT_ONCE);
  const piece = (at: number) => ({
    key,
    at: offset + at,
    target: target.subarray(at, Math.min(target.length, at + STEP)),
  });
  const reading = [fill(bucket, { ...piece(0), etag }, stop.signal, body)];
  for (let at = STEP; at < target.length; at += STEP) {
    reading.push(limit(() => fill(bucket, { ...piece(at), etag }, stop.signal)));
  }
  try {
    await Promise.all(reading);
    return target;
  } finally {
    // None may still write or hold a socket when the read has failed.
    stop.abort();
    await Promise.allSettled(reading);
  }
}

interface Piece {
  key: string;
  /** First byte within the object. */
  at: number;
  target: Buffer;
  etag: string;
}

/** Fills `target`, from `body` first, then from new requests as long as bytes are missing. */
async function fill(
  bucket: S3Bucket,
  { key, at, target, etag }: Piece,
  signal: AbortSignal,
  body?: Readable,
): Promise<void> {
  let filled = 0;
  let rest = body;
  for (let fruitless = 0; ; fruitless++) {
    signal.throwIfAborted();
    rest ??= (await request(bucket, key, at + filled, target.length - filled, etag, signal))?.body;
    const before = filled;
    try {
      for await (const chunk of (rest ?? []) as AsyncIterable<Buffer>) {
        const bytes = chunk.subarray(0, target.length - filled);
        target.set(bytes, filled);
        filled += bytes.length;
      }
    } catch (error) {
      if (signal.aborted) throw error;
    }
    if (filled === target.length) return;
    rest = undefined;
    if (filled > before) fruitless = 0;
    if (fruitless === FRUITLESS) {
      throw new S3Fault(
        `Expected ${target.length} bytes of ${bucket.url}/${key} at ${at}, got ${filled} before the connection broke`,
        {
          code: 'ECONNRESET',
        },
      );
    }
    await sleep(50 * 2 ** fruitless, undefined, { signal });
  }
}

/** @returns undefined when the object has no byte there */
async function request(
  bucket: S3Bucket,
  key: string,
  offset: number,
  length: number,
  etag: string | undefined,
  abortSignal: AbortSignal,
): Promise<{ body: Readable; etag: string; total: number } | undefined> {
  const range = { Range: `bytes=${offset}-${offset + length - 1}`, ...(etag !== undefined && { IfMatch: etag }) };
  const answer = await bucket
    .ask('s3:GetObject', key, name => bucket.client.send(new GetObjectCommand({ ...name, ...range }), { abortSignal }))
    .catch(error => {
      if (hasStatus(error, 416)) return undefined;
      throw error;
    });
  if (!answer) return undefined;
  const body = answer.Body as unknown as Readable;
  const total = /\/(\d+)$/.exec(answer.ContentRange ?? '')?.[1];
  if (total !== undefined && answer.ETag) return { body, etag: answer.ETag, total: Number(total) };
  body.destroy();
  if (answer.ContentLength === 0) return undefined;
  throw new Error(
    `Expected a range of ${bucket.url}/${key} with its ETag, got the whole object: the server knows no ranges`,
  );
}
