/** What is special about uploads in S3: what stays behind, memory, servers that keep no checksums, who may do what. */

import { utimes } from 'node:fs/promises';
import { join } from 'node:path';
import {
  AbortMultipartUploadCommand,
  CreateMultipartUploadCommand,
  ListMultipartUploadsCommand,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { failureKind } from '../../activities/failures.ts';
import { crc32c } from '../../storage/checksum.ts';
import { describeStored } from '../../storage/files.ts';
import { createPartBuffers } from '../../storage/part-buffers.ts';
import { createS3Store } from '../../storage/s3.ts';
import { openBucket, type S3Bucket } from '../../storage/s3-bucket.ts';
import { abortSuperseded, removeAbandoned } from '../../storage/s3-leftovers.ts';
import { makeMultipart, placeOf } from '../../storage/s3-multipart.ts';
import { parseS3Url } from '../../storage/s3-url.ts';
import { type ArtifactStore, ChecksumMismatch, type Upload } from '../../storage/store.ts';
import { type S3Server, startS3 } from '../support/s3.ts';
import { type S3Proxy, startS3Proxy } from '../support/s3-proxy.ts';
import { bytesOf } from './bytes.ts';

const PART = 5 << 20;
const HOUR = 3600_000;
const DAY = 24 * HOUR;
const bytes = bytesOf(4, 2 * PART + 1000);
const whole = crc32c(bytes);
const partOf = (n: number) => bytes.subarray(n * PART, (n + 1) * PART);

let server: S3Server;
let store: ArtifactStore;
let bucket: S3Bucket;

beforeAll(async () => {
  server = await startS3();
  store = await createS3Store(server.url, { env: server.env });
  bucket = await openBucket(parseS3Url(server.url), { env: server.env });
});
afterAll(() => server?.close());

const begin = (key: string, sourceTag = 'tag', from = store) =>
  from.openUpload(key, { size: bytes.length, partSize: PART, sourceTag });
const put = (upload: Upload, ...parts: number[]) =>
  Promise.all(parts.map(n => upload.put(n, partOf(n), crc32c(partOf(n)))));

/** Keys that `list` hides. */
async function hidden(): Promise<string[]> {
  const found: string[] = [];
  for await (const { key } of bucket.list('.')) found.push(key);
  return found;
}
async function underWay(): Promise<string[]> {
  const { Uploads = [] } = await bucket.client.send(new ListMultipartUploadsCommand({ Bucket: bucket.bucket }));
  return Uploads.map(({ Key = '' }) => Key.slice(bucket.base.length));
}

describe('what stays behind', () => {
  it('is nothing after completion, abort and looking', async () => {
    const [one, two, three] = await Promise.all([begin('left/one'), begin('left/two'), begin('left/three')]);
    await put(one, 0, 1, 2);
    await put(two, 0);
    expect(await hidden()).toHaveLength(2);
    await one.complete(whole);
    await two.abort();
    for (const upload of [one, two, three]) await upload.close();
    expect(await hidden()).toEqual([]);
    expect(await underWay()).toEqual([]);
  });

  it('is shared: the same thing put by two attempts is one upload', async () => {
    const [one, two] = await Promise.all([begin('left/shared'), begin('left/shared')]);
    await put(one, 0);
    // As one that looked for the record a moment before it was there.
    const place = placeOf('left/shared', { size: bytes.length, partSize: PART, sourceTag: 'tag' });
    expect(await makeMultipart(bucket, 'left/shared', place, undefined)).toBeUndefined();
    await put(two, 1, 2);
    expect(await underWay()).toEqual(['left/shared']);
    const three = await begin('left/shared');
    expect([...three.done.keys()].sort()).toEqual([0, 1, 2]);
    await three.complete(whole);
    await Promise.all([one.complete(whole), two.complete(whole)]);
    for (const upload of [one, two, three]) await upload.close();
    expect(await hidden()).toEqual([]);
  });

  it('goes when nothing was put for a week, or for an hour where the source has changed', async () => {
    const old = await begin('left/changed', 'old');
    await put(old, 0);
    await old.close();
    const unfinished = await begin('left/unfinished');
    await put(unfinished, 0);
    await unfinished.close();
    // Killed before its record was made.
    await bucket.client.send(
      new CreateMultipartUploadCommand({ Bucket: bucket.bucket, Key: `${bucket.base}left/unrecorded` }),
    );
    const now = Date.now();
    // A transfer may take longer than a week: what counts is when something was put last.
    for (const key of await hidden()) {
      await utimes(join(server.folder, 'store', key), new Date(now - 9 * DAY), new Date(now - 9 * DAY));
    }
    await removeAbandoned(bucket, now);
    await abortSuperseded(bucket, 'left/changed', 'another', now + HOUR / 2);
    await removeAbandoned(bucket, now + 6 * DAY);
    expect((await underWay()).sort()).toEqual(['left/changed', 'left/unfinished', 'left/unrecorded']);
    expect(await hidden()).toHaveLength(2);

    await abortSuperseded(bucket, 'left/changed', 'another', now + 2 * HOUR);
    expect((await underWay()).sort()).toEqual(['left/unfinished', 'left/unrecorded']);
    expect(await hidden()).toHaveLength(1);

    await removeAbandoned(bucket, now + 8 * DAY);
    expect(await underWay()).toEqual([]);
    expect(await hidden()).toEqual([]);
  });

  it('goes with the completion of another version; those of other objects stay', async () => {
    const other = await begin('left/other');
    await put(other, 0);
    const changed = await begin('left/changed', 'old');
    await put(changed, 0);
    const upload = await begin('left/changed', 'new');
    await put(upload, 0, 1, 2);
    expect((await underWay()).sort()).toEqual(['left/changed', 'left/changed', 'left/other']);
    await upload.complete(whole);
    expect(await underWay()).toEqual(['left/other']);
    expect(await hidden()).toHaveLength(1);
    // What was late hears that the object is there, and that it is another's where it is.
    await put(changed, 1, 2);
    await changed.complete(whole);
    await other.abort();
    for (const one of [changed, upload]) await one.close();
    expect(await hidden()).toEqual([]);
    expect(await underWay()).toEqual([]);
  });

  it('does not mislead: a record whose upload is gone is written anew', async () => {
    const first = await begin('left/ghost');
    await put(first, 0);
    await first.close();
    const { Uploads = [] } = await bucket.client.send(new ListMultipartUploadsCommand({ Bucket: bucket.bucket }));
    const { Key, UploadId } = Uploads.find(({ Key = '' }) => Key.endsWith('ghost'))!;
    await bucket.client.send(new AbortMultipartUploadCommand({ Bucket: bucket.bucket, Key, UploadId }));
    const second = await begin('left/ghost');
    expect(second.done.size).toBe(0);
    await put(second, 0, 1);
    const third = await begin('left/ghost');
    expect([...third.done.keys()].sort()).toEqual([0, 1]);
    await put(third, 2);
    await third.complete(whole);
    await Promise.all([second.close(), third.close()]);
    expect(await hidden()).toEqual([]);
  });
});

describe('sizes', () => {
  it('refuses what S3 does not take', async () => {
    const open = (size: number, partSize: number) => store.openUpload('sizes', { size, partSize, sourceTag: 'x' });
    await expect(open(100 * PART, 1000)).rejects.toThrow('at most 10000 parts of at least 5242880 bytes');
    await expect(open(10_001 * PART, PART)).rejects.toThrow('at most 10000 parts');
    const small = await open(1000, 1000);
    await small.put(0, bytes.subarray(0, 1000), crc32c(bytes.subarray(0, 1000)));
    await small.complete(crc32c(bytes.subarray(0, 1000)));
    await small.close();
    const empty = await store.openUpload('empty', { size: 0, partSize: PART, sourceTag: 'x' });
    await empty.complete(0);
    await empty.close();
    expect(await store.head('empty')).toEqual({ size: 0, crc32c: 0 });
  });
});

describe('memory', () => {
  it('is shared by all uploads, and beginning waits for it', async () => {
    const buffers = createPartBuffers(2 * PART);
    const bounded = await createS3Store(server.url, { env: server.env, buffers });
    const [one, two] = await Promise.all([begin('memory/one', 'tag', bounded), begin('memory/two', 'tag', bounded)]);
    const [a, b] = await Promise.all([one.begin(0), two.begin(0)]);
    let begun = false;
    const waiting = two.begin(1).then(part => {
      begun = true;
      return part;
    });
    await a.write(0, [partOf(0)]);
    await a.finish(crc32c(partOf(0)));
    expect(begun).toBe(false);
    a.release();
    a.release();
    const c = await waiting;
    // One that waits ends with its upload.
    const never = expect(one.begin(1)).rejects.toThrow('its end');
    await one.close();
    await never;
    b.release();
    c.release();
    await two.abort();
    await two.close();
    await (await begin('memory/one')).abort();
  });
});

describe('a server that keeps no such checksums', () => {
  let proxy: S3Proxy;
  let old: ArtifactStore;
  beforeAll(async () => {
    proxy = await startS3Proxy(server.endpoint);
    proxy.harm = ({ headers }) =>
      headers['x-amz-checksum-type'] ? { status: 501, code: 'NotImplemented' } : undefined;
    old = await createS3Store(server.url, { env: { ...server.env, AWS_ENDPOINT_URL_S3: proxy.endpoint } });
  });
  afterAll(() => proxy?.close());

  it('gets uploads without, which go on as well', async () => {
    const first = await begin('old/one', 'tag', old);
    const other = bytesOf(8, PART);
    await first.put(0, other, crc32c(other));
    await put(first, 0);
    await put(first, 2);
    await first.close();
    const second = await begin('old/one', 'tag', old);
    expect([...second.done].sort()).toEqual([
      [0, crc32c(partOf(0))],
      [2, crc32c(partOf(2))],
    ]);
    await put(second, 1);
    await second.complete(whole);
    await second.complete(whole);
    await second.close();
    expect((await old.get('old/one')).equals(bytes)).toBe(true);
    expect(await old.head('old/one')).toEqual({ size: bytes.length });
    expect(await describeStored(old, 'old/one')).toEqual({ key: 'old/one', size: bytes.length, crc32c: whole });
    const third = await begin('old/one', 'tag', old);
    await third.complete(whole);
    await third.close();
    expect(await hidden()).toEqual([]);
  });

  it('gets no object that does not add up', async () => {
    const upload = await begin('old/wrong', 'tag', old);
    await put(upload, 0, 1, 2);
    await expect(upload.complete(whole + 1)).rejects.toThrow(ChecksumMismatch);
    await upload.close();
    expect(await old.head('old/wrong')).toBeUndefined();
    expect(await hidden()).toEqual([]);
    expect(await underWay()).toEqual([]);
  });
});

describe('who may not, is told so in one line', () => {
  let proxy: S3Proxy;
  beforeAll(async () => {
    proxy = await startS3Proxy(server.endpoint);
  });
  beforeEach(() => {
    proxy.harm = () => undefined;
  });
  afterAll(() => proxy?.close());

  const refused = async (url: string, env: NodeJS.ProcessEnv): Promise<Error> => {
    const error = await (await createS3Store(url, { env: { ...server.env, ...env } })).check().catch(reason => reason);
    expect(error).toBeInstanceOf(Error);
    expect(error.message).not.toMatch(/\n/);
    expect(JSON.stringify(error) + error.stack).not.toContain(server.env.AWS_SECRET_ACCESS_KEY);
    return error;
  };

  it.each<[string, () => [url: string, env: NodeJS.ProcessEnv], RegExp]>([
    [
      'no such bucket',
      () => ['s3://nobody-made-this/x', {}],
      /^Expected the bucket nobody-made-this to exist at http.*aws s3 mb/,
    ],
    [
      'an unknown key',
      () => [server.url, { AWS_ACCESS_KEY_ID: 'unknown' }],
      /^Expected http.* to accept the credentials .*got XAdminUserNotFound/,
    ],
    [
      'a wrong key',
      () => [server.url, { AWS_SECRET_ACCESS_KEY: 'wrong' }],
      /got SignatureDoesNotMatch: check AWS_ACCESS_KEY_ID/,
    ],
    [
      'another region',
      () => [server.url, { AWS_REGION: 'eu-west-1' }],
      /to be in region eu-west-1, got us-east-1 .*set AWS_REGION/,
    ],
  ])('%s', async (_name, how, line) => {
    const error = await refused(...how());
    expect(error.message).toMatch(line);
    expect(failureKind(error)).toBe('refused');
  });

  it('what is not allowed, by its name', async () => {
    proxy.harm = ({ method, path }) =>
      method === 'DELETE' || (method === 'HEAD' && path.endsWith('secret'))
        ? { status: 403, code: 'AccessDenied' }
        : undefined;
    const env = { AWS_ENDPOINT_URL_S3: proxy.endpoint };
    const error = await refused(server.url, env);
    expect(error.message).toMatch(/^Expected s3:DeleteObject to be allowed on s3:.*got AccessDenied: grant it/);
    const denied = await createS3Store(server.url, { env: { ...server.env, ...env } });
    await expect(denied.head('secret')).rejects.toThrow(/^Expected s3:GetObject to be allowed on .*secret/);
    proxy.harm = () => undefined;
    await removeAbandoned(bucket, Date.now() + 8 * DAY);
  });

  it('nobody answers', async () => {
    const error = await refused(server.url, { AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:1' });
    expect(error.message).toBe(
      'Expected http://127.0.0.1:1 to answer to s3:PutObject, got ECONNREFUSED: check the network, and AWS_ENDPOINT_URL_S3 if it is not AWS',
    );
    expect(failureKind(error)).toBe('passing');
  });
});
