/**
 * The store in S3. An object of the store is one S3 object, whose key follows the store's prefix. The server must support
 * PUT, GET with a range, HEAD, LIST and DELETE.
 */
import { randomUUID } from 'node:crypto';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  type ListObjectsV2CommandInput,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { createBuffers } from './body-buffers.ts';
import { checkRange } from './byte-range.ts';
import { crc32c } from './checksum.ts';
import { checkKey, isSegment } from './key-syntax.ts';
import { endpointOf, type S3ClientOptions, s3Client } from './s3-client.ts';
import { faultOf, hasStatus, isFault, S3Fault, StoreRefusal } from './s3-errors.ts';
import { parseS3Url } from './s3-url.ts';
import { type ArtifactStore, type ByteRange, type Listed, ObjectNotFound } from './store.ts';

/** Prefix that `check` writes below. It cannot collide with a key, because no key begins with a dot. */
const CHECKS = '.check/';
/** Consecutive retries without a new byte before a read gives up. */
const FRUITLESS = 5;
/** Attempts at a put that conflicts with another one of the same key. */
const CONFLICTS = 10;

/** Optional features that a server was found to support. Every server that `check` accepts has all others. */
interface Abilities {
  /** The server honors `If-None-Match: *`, so a put does not replace an existing object. */
  exclusivePut: boolean;
  /** The server accepts `x-amz-checksum-crc32c`. */
  checksums: boolean;
}

/**
 * Opens a store. Sends no request to S3 yet.
 * @param text `s3://bucket/prefix`
 * @throws Error with a one-line message when `text` is no such URL
 */
export async function createS3Store(text: string, options: S3ClientOptions = {}): Promise<ArtifactStore> {
  const { bucket, base, url } = parseS3Url(text);
  const client = await s3Client(options);
  const region = await client.config.region();
  const server = endpointOf(options.env ?? process.env) ?? `S3 in ${region}`;
  const abilities: Abilities = { exclusivePut: true, checksums: true };
  const buffers = createBuffers();
  let checked: Promise<void> | undefined;

  /** Sends a request about a key. @param action for the error message: `s3:GetObject` @throws S3Fault */
  async function ask<Answer>(
    action: string,
    key: string,
    send: (name: { Bucket: string; Key: string }) => Promise<Answer>,
  ): Promise<Answer> {
    try {
      return await send({ Bucket: bucket, Key: `${base}${key}` });
    } catch (error) {
      throw faultOf(error, { action, bucket, url: key === '' ? url : `${url}/${key}`, region, server });
    }
  }

  /** Requests a range, or the whole object. @returns undefined when the object has no byte in the range */
  async function request(key: string, range: ByteRange | undefined) {
    const header = range && { Range: `bytes=${range.offset}-${range.offset + range.length - 1}` };
    const answer = await ask('s3:GetObject', key, name =>
      client.send(new GetObjectCommand({ ...name, ...header })),
    ).catch(error => {
      if (isFault(error, 'NoSuchKey', 'NotFound')) throw new ObjectNotFound(key, url);
      if (hasStatus(error, 416)) return undefined;
      throw error;
    });
    if (!answer) return undefined;
    const body = answer.Body as unknown as Readable;
    const total = Number(
      /\/(\d+)$/.exec(answer.ContentRange ?? '')?.[1] ?? (range ? Number.NaN : answer.ContentLength),
    );
    if (Number.isInteger(total)) return { body, total, etag: answer.ETag };
    body.destroy();
    if (answer.ContentLength === 0) return undefined;
    throw new StoreRefusal(
      `Expected a range of ${url}/${key} from ${server}, got the whole object: use a server that knows ranges`,
      { code: 'NoRanges' },
    );
  }

  /** Reads a range. Resumes after a broken connection, and restarts when the object was replaced meanwhile. */
  async function read(key: string, range: ByteRange | undefined): Promise<Buffer> {
    let target: Buffer | undefined;
    let etag: string | undefined;
    let filled = 0;
    for (let fruitless = 0; fruitless <= FRUITLESS; fruitless++) {
      const offset = (range?.offset ?? 0) + filled;
      const length = target ? target.length - filled : range?.length;
      const answer = await request(key, length === undefined ? undefined : { offset, length });
      if (!answer && !target) return Buffer.alloc(0);
      if (!answer || (target && etag !== answer.etag)) {
        answer?.body.destroy();
        target = undefined;
        filled = 0;
        continue;
      }
      etag = answer.etag;
      target ??= Buffer.allocUnsafeSlow(Math.min(range?.length ?? answer.total, answer.total - offset));
      const before = filled;
      try {
        for await (const piece of answer.body as AsyncIterable<Buffer>) {
          filled += piece.copy(target, filled, 0, target.length - filled);
        }
      } catch {
        // The bytes received so far are kept; the next request asks for the rest.
      }
      if (filled === target.length) return target;
      if (filled > before) fruitless = 0;
      await sleep(50 * 2 ** fruitless);
    }
    const [wanted, from] = [target?.length ?? 'all', range?.offset ?? 0];
    throw new S3Fault(
      `Expected ${wanted} bytes of ${url}/${key} at ${from}, got ${filled} before the connection broke`,
      { code: 'ECONNRESET' },
    );
  }

  async function headRaw(key: string) {
    try {
      return await ask('s3:GetObject', key, name => client.send(new HeadObjectCommand(name)));
    } catch (error) {
      if (isFault(error, 'NotFound', 'NoSuchKey') || hasStatus(error, 404)) return undefined;
      throw error;
    }
  }

  /** Puts an object in one request. @returns whether the stored object is the one given */
  async function putWhole(
    key: string,
    bytes: Uint8Array,
    { overwrite = false, using = abilities, crc = crc32c(bytes) },
  ): Promise<boolean> {
    if (!overwrite && !using.exclusivePut && (await headRaw(key))) return false;
    const by = randomUUID();
    const put = {
      Body: bytes,
      ContentLength: bytes.byteLength,
      Metadata: { by },
      ...(using.checksums && { ChecksumCRC32C: formatCrc32c(crc) }),
      ...(!overwrite && using.exclusivePut && { IfNoneMatch: '*' }),
    };
    for (let tries = 1; ; tries++) {
      try {
        await ask('s3:PutObject', key, name => client.send(new PutObjectCommand({ ...name, ...put })));
        return true;
      } catch (error) {
        // The response to an earlier attempt may have been lost. Or the server has hung up on a body that it did not need. In
        // both cases the stored object may be this one.
        if (!overwrite && (hasStatus(error, 412) || hasNoAnswer(error))) {
          const there = await headRaw(key).catch((reason: unknown) => {
            throw hasNoAnswer(error) ? error : reason;
          });
          if (there) return there.Metadata?.by === by;
          if (hasStatus(error, 412)) return false;
        }
        if (!hasStatus(error, 409) || tries === CONFLICTS) throw error;
        await sleep(50 * tries);
      }
    }
  }

  async function* listAll(prefix: string): AsyncGenerator<Listed> {
    let next: { ContinuationToken?: string } | undefined = {};
    while (next) {
      const page: ListObjectsV2CommandInput = { ...next, Bucket: bucket, Prefix: `${base}${prefix}` };
      const answer = await ask('s3:ListBucket', '', () => client.send(new ListObjectsV2Command(page)));
      for (const { Key = '', Size = 0, LastModified = new Date() } of answer.Contents ?? []) {
        yield { key: Key.slice(base.length), size: Size, modified: LastModified.getTime() };
      }
      const token = answer.IsTruncated ? answer.NextContinuationToken : undefined;
      next = token === undefined ? undefined : { ContinuationToken: token };
    }
  }

  async function remove(key: string): Promise<void> {
    try {
      await ask('s3:DeleteObject', key, name => client.send(new DeleteObjectCommand(name)));
    } catch (error) {
      // AWS reports success for an absent object, other servers an error.
      if (!isFault(error, 'NoSuchKey') && !hasStatus(error, 404)) throw error;
    }
  }

  /** Tests the server's features below a prefix of its own. @throws StoreRefusal when a required feature is missing */
  async function tryAbilities(): Promise<void> {
    const prefix = `${CHECKS}${randomUUID()}/`;
    const [first, second] = [Buffer.from('first'), Buffer.from('second')];
    const keys = ['b', 'a/b', 'a-b'].map(name => `${prefix}${name}`);
    try {
      const found = await withFallbacks(using => putWhole(keys[0]!, first, { using }));
      const replaced = found.exclusivePut && (await putWhole(keys[0]!, second, { using: found }));
      if (replaced) found.exclusivePut = false;
      Object.assign(abilities, found);
      for (const key of keys.slice(1)) await putWhole(key, first, { overwrite: true });
      const part = await read(keys[1]!, { offset: 1, length: 3 });
      if (!part.equals(first.subarray(1, 4))) throw lacking('a range of an object', 'other bytes');
      const listed: string[] = [];
      for await (const { key } of listAll(prefix)) listed.push(key);
      const sorted = [...keys].sort();
      if (listed.join() !== sorted.join()) throw lacking('its objects in the order of their keys', 'another list');
    } catch (error) {
      await Promise.allSettled(keys.map(remove));
      throw error;
    }
    for (const key of keys) await remove(key);
  }

  /** Repeats a put without the optional features that the server rejects. @returns the features that it accepted */
  async function withFallbacks(put: (using: Abilities) => Promise<boolean>): Promise<Abilities> {
    let first: unknown;
    for (const [checksums, exclusivePut] of [
      [true, true],
      [false, true],
      [true, false],
      [false, false],
    ] as const) {
      try {
        await put({ checksums, exclusivePut });
        return { checksums, exclusivePut };
      } catch (error) {
        first ??= error;
        const unknown = hasStatus(error, 501) || isFault(error, 'NotImplemented', 'InvalidArgument', 'InvalidRequest');
        if (!unknown) throw first;
      }
    }
    throw first;
  }

  const lacking = (what: string, got: string) =>
    new StoreRefusal(`Expected ${server} to give ${what} of ${url}, got ${got}: use another S3 server`, {
      code: 'NotImplemented',
    });

  const store: ArtifactStore = {
    url,

    check() {
      const trial = tryAbilities();
      checked = trial;
      trial.catch(() => {
        checked = undefined;
      });
      return trial;
    },

    async get(key, range) {
      checkKey(key);
      checkRange(range);
      return range?.length === 0 ? Buffer.alloc(0) : read(key, range);
    },

    async put(key, body, { overwrite = false } = {}) {
      if (typeof key === 'string') checkKey(key);
      await (checked ?? store.check());
      return buffers.with(body, async bytes => {
        const crc = crc32c(bytes);
        const name = typeof key === 'string' ? key : checkKey(key(crc));
        return { created: await putWhole(name, bytes, { overwrite, crc }) };
      });
    },

    async head(key) {
      const answer = await headRaw(checkKey(key));
      return answer && { size: answer.ContentLength ?? 0 };
    },

    async *list(prefix) {
      for await (const listed of listAll(prefix)) if (listed.key.split('/').every(isSegment)) yield listed;
    },

    async remove(key) {
      await remove(checkKey(key));
    },

    freeSpace: async () => undefined,
  };
  return store;
}

const hasNoAnswer = (error: unknown) => error instanceof S3Fault && error.$metadata.httpStatusCode === undefined;

/** Formats a CRC-32C as S3 does: four bytes, big-endian, in base64. */
function formatCrc32c(crc: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc);
  return bytes.toString('base64');
}
