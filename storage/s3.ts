/**
 * The store in S3: an object is an object, its key behind the store's prefix. What is not yet one lies below `.uploads/` there, where
 * no key can lie.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { HeadObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { checkRange } from './byte-range.ts';
import { crc32c } from './checksum.ts';
import { checkKey, isSegment } from './key-names.ts';
import { createPartBuffers, type PartBuffers } from './part-buffers.ts';
import { openBucket, type S3Bucket } from './s3-bucket.ts';
import { formatCrc32c, parseCrc32c } from './s3-checksum.ts';
import type { S3ClientOptions } from './s3-client.ts';
import { hasStatus, isFault } from './s3-fault.ts';
import { removeAbandoned } from './s3-leftovers.ts';
import { UPLOADS } from './s3-multipart.ts';
import { readObject } from './s3-read.ts';
import { removeObject } from './s3-remove.ts';
import { openS3Upload } from './s3-upload.ts';
import { parseS3Url } from './s3-url.ts';
import type { ArtifactStore, ObjectHead } from './store.ts';

export interface S3StoreOptions extends S3ClientOptions {
  /** Where parts are gathered; default: RETINOPATHY_UPLOAD_MB (640) for all stores of the process. */
  buffers?: PartBuffers;
}

const DEFAULT_UPLOAD_MB = 640;
/** Bytes read at a time for a checksum. */
const STEP = 32 << 20;
/** Tries of a put that meets another one of the same key. */
const TRIES = 10;

/**
 * Nothing is asked of S3 yet.
 * @param url `s3://bucket/prefix`
 * @throws Error with one line for a person when it is no such URL
 */
export async function createS3Store(text: string, options: S3StoreOptions = {}): Promise<ArtifactStore> {
  const bucket = await openBucket(parseS3Url(text), options);
  const { client, url } = bucket;
  const buffers = options.buffers ?? sharedBuffers(options.env ?? process.env);

  let swept = false;
  /** Behind what was asked for: a start need not wait for what others left, and without the right to look nothing is lost. */
  const sweepOnce = () => {
    if (swept) return;
    swept = true;
    void removeAbandoned(bucket).catch(() => undefined);
  };

  const store: ArtifactStore = {
    url,

    async check() {
      const key = `${UPLOADS}check/${randomUUID()}`;
      await bucket.ask('s3:PutObject', key, name => client.send(new PutObjectCommand({ ...name, Body: url })));
      for await (const _ of bucket.list(key)) break;
      await readObject(bucket, key, {});
      await removeObject(bucket, key);
    },

    async get(key, range) {
      checkKey(key);
      checkRange(range);
      return readObject(bucket, key, range ?? {});
    },

    async put(key, bytes, { overwrite = false } = {}) {
      checkKey(key);
      return { created: await putWhole(bucket, key, bytes, overwrite) };
    },

    head: async key => headObject(bucket, checkKey(key)),

    async *list(prefix) {
      for await (const { key, size, modified } of bucket.list(prefix)) {
        if (key.split('/').every(isSegment)) yield { key, size, modified: modified.getTime() };
      }
    },

    async remove(key) {
      checkKey(key);
      await removeObject(bucket, key);
    },

    /** A bucket has no end. */
    room: async () => undefined,

    async openUpload(key, uploadOptions) {
      checkKey(key);
      sweepOnce();
      return openS3Upload(bucket, key, uploadOptions, {
        buffers,
        existing: (of, size) => checksumOf(bucket, of, size),
        putEmpty: async of => {
          await store.put(of, Buffer.alloc(0));
        },
      });
    },
  };
  return store;
}

let shared: PartBuffers | undefined;

/** @throws RangeError when the setting is no number of megabytes */
function sharedBuffers(env: NodeJS.ProcessEnv): PartBuffers {
  const text = env.RETINOPATHY_UPLOAD_MB || String(DEFAULT_UPLOAD_MB);
  const megabytes = Number(text);
  if (!(megabytes > 0)) throw new RangeError(`Expected RETINOPATHY_UPLOAD_MB to be a number above 0, got \`${text}\``);
  shared ??= createPartBuffers(megabytes * 2 ** 20);
  return shared;
}

/** @returns whether the object is the one given */
async function putWhole(bucket: S3Bucket, key: string, bytes: Uint8Array, overwrite: boolean): Promise<boolean> {
  const by = randomUUID();
  const put = {
    Body: bytes,
    ContentLength: bytes.byteLength,
    ChecksumCRC32C: formatCrc32c(crc32c(bytes)),
    Metadata: { by },
    ...(!overwrite && { IfNoneMatch: '*' }),
  };
  for (let tries = 1; ; tries++) {
    try {
      await bucket.ask('s3:PutObject', key, name => bucket.client.send(new PutObjectCommand({ ...name, ...put })));
      return true;
    } catch (error) {
      if (hasStatus(error, 412) && !overwrite) {
        // An answer may have been lost on its way: then what is there is our own.
        const again = tries > 1 || (error.$metadata.attempts ?? 1) > 1;
        return again && (await headRaw(bucket, key))?.Metadata?.by === by;
      }
      if (!hasStatus(error, 409) || tries === TRIES) throw error;
      await sleep(50 * tries);
    }
  }
}

async function headObject(bucket: S3Bucket, key: string): Promise<ObjectHead | undefined> {
  const answer = await headRaw(bucket, key);
  if (!answer) return undefined;
  const { ContentLength: size = 0, ChecksumCRC32C, ChecksumType } = answer;
  // A checksum of the parts' checksums is none of the object.
  const crc = ChecksumType === 'COMPOSITE' ? undefined : parseCrc32c(ChecksumCRC32C);
  return crc === undefined ? { size } : { size, crc32c: crc };
}

async function headRaw(bucket: S3Bucket, key: string) {
  try {
    return await bucket.ask('s3:GetObject', key, name =>
      bucket.client.send(new HeadObjectCommand({ ...name, ChecksumMode: 'ENABLED' })),
    );
  } catch (error) {
    if (isFault(error, 'NotFound', 'NoSuchKey') || hasStatus(error, 404)) return undefined;
    throw error;
  }
}

/** CRC-32C of the object, read where the server does not say it; undefined where there is none of this size. */
async function checksumOf(bucket: S3Bucket, key: string, size: number): Promise<number | undefined> {
  const head = await headObject(bucket, key);
  if (head?.size !== size) return undefined;
  if (head.crc32c !== undefined) return head.crc32c;
  let crc = 0;
  for (let offset = 0; offset < size; offset += STEP) {
    crc = crc32c(await readObject(bucket, key, { offset, length: STEP }), crc);
  }
  return crc;
}
