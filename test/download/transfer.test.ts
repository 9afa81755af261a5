import { crc32c } from '@node-rs/crc32';
import { ActivityCancellationDetails } from '@temporalio/common';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DownloadProgress } from '../../activities/download/types.ts';
import {
  type KaggleServer,
  type KaggleServerOptions,
  type ServedFile,
  startKaggleServer,
} from '../../demo/kaggle-server.ts';
import { type TestServices, testServices } from '../support/services.ts';
import { activitiesOn, argsFor, bytesOf, failureOf, keysOf, noise, quietEnvironment, served, zipOf } from './world.ts';

let services: TestServices;
let server: KaggleServer | undefined;
beforeEach(async () => {
  services = await testServices();
});
afterEach(async () => {
  await server?.close();
  await services.close();
});

/** A server of these files that lets everybody in; the files may be replaced later. */
async function serve(files: ServedFile[], options: Partial<KaggleServerOptions> = {}) {
  server = await startKaggleServer({ competition: null, token: null, files: () => files, ...options });
  return { ...activitiesOn(services), args: argsFor(server.url), sent: server.served, files };
}
const SIZE = 1_000_003;
const LEAVING = new ActivityCancellationDetails({ workerShutdown: true });

describe('a part that is served as it is', () => {
  it('comes whole, in segments, and is there the next time for no byte of body', async () => {
    const bytes = noise(SIZE);
    const { part, args, sent } = await serve([served('train.zip.001', bytes)]);
    const first = await part(args);
    expect(first).toEqual({
      name: 'train.zip.001',
      key: 'archives/here/train.zip.001',
      offset: 0,
      size: SIZE,
      crc32c: crc32c(bytes),
      fetched: SIZE,
      reused: false,
    });
    expect((await bytesOf(services.store, first)).equals(bytes)).toBe(true);
    expect(sent.storageRequests).toBe(1 + Math.ceil(SIZE / (64 << 10)));

    sent.bodyBytes = 0;
    expect(await part(args)).toEqual({ ...first, fetched: 0, reused: true });
    expect(sent.bodyBytes).toBe(0);
  });

  it('goes on where an attempt was interrupted', async () => {
    const bytes = noise(SIZE);
    let left = 5;
    const { part, args } = await serve([served('train.zip.001', bytes)], {
      // The probe and four segments, then nothing more.
      onStorageRequest: () => (left-- > 0 ? undefined : { cutAfter: 100 }),
    });
    const failure = await failureOf(part(args));
    expect(failure.nonRetryable).toBeFalsy();
    left = Number.POSITIVE_INFINITY;
    const second = await part(args);
    expect(second.fetched).toBe(SIZE - 4 * (64 << 10));
    expect((await bytesOf(services.store, second)).equals(bytes)).toBe(true);
  });

  it('goes on after a worker left in the middle, and says that it left', async () => {
    const bytes = noise(SIZE);
    const environment = quietEnvironment();
    let requests = 0;
    const { part, args, heartbeats } = await serve([served('train.zip.001', bytes)], {
      onStorageRequest: () => {
        requests += 1;
        if (requests === 8) environment.cancel('WORKER_SHUTDOWN', LEAVING);
        return undefined;
      },
    });
    const failure = await failureOf(part(args, 'train.zip.001', environment));
    expect(failure).toMatchObject({ type: 'WorkerShutdown', nonRetryable: false });
    const { bytes: had, ...last } = heartbeats.at(-1) as DownloadProgress;
    expect(last).toEqual({ part: 'train.zip.001', of: SIZE, bytesPerSecond: expect.any(Number) });
    expect(had).toBeGreaterThan(0);
    const second = await part(args);
    expect(second.fetched).toBeLessThan(SIZE);
    expect((await bytesOf(services.store, second)).equals(bytes)).toBe(true);
  });

  it('repeats a segment whose connection breaks, and counts what was lost', async () => {
    const bytes = noise(SIZE);
    let requests = 0;
    const { part, args } = await serve([served('train.zip.001', bytes)], {
      onStorageRequest: () => (++requests === 4 ? { cutAfter: 1000 } : undefined),
    });
    const done = await part(args);
    expect(done.fetched).toBeGreaterThanOrEqual(SIZE);
    expect((await bytesOf(services.store, done)).equals(bytes)).toBe(true);
  });

  it('repeats a segment that comes short without the server saying so', async () => {
    const bytes = noise(SIZE);
    let requests = 0;
    const { part, args } = await serve([served('train.zip.001', bytes)], {
      onStorageRequest: ({ range, etag }) => {
        requests += 1;
        if (requests !== 3) return undefined;
        const headers = { etag, 'content-range': `${range?.replace('=', ' ')}/${SIZE}` };
        return { status: 206, headers, body: 'too short' };
      },
    });
    expect((await bytesOf(services.store, await part(args))).equals(bytes)).toBe(true);
  });

  it('is refused when its bytes are not those whose checksum the source states', async () => {
    const bytes = noise(SIZE);
    const files = [{ ...served('train.zip.001', bytes), crc32c: 1 }];
    const { part, args } = await serve(files);
    const failure = await failureOf(part(args));
    expect(failure.message).toContain('CRC-32C 00000001');
    expect(await keysOf(services.store)).toEqual([]);
    files[0] = served('train.zip.001', bytes);
    expect(await part(args)).toMatchObject({ size: SIZE, reused: false });
  });

  it('is taken over, unfetched, when an attempt died between the last byte and its record', async () => {
    const bytes = noise(SIZE);
    const { part, args, sent } = await serve([served('train.zip.001', bytes)]);
    const first = await part(args);
    await services.store.remove('archives/here/train.zip.001.part.json');
    sent.bodyBytes = 0;
    expect(await part(args)).toEqual({ ...first, fetched: 0 });
    expect(sent.bodyBytes).toBeLessThanOrEqual(1);
  });

  it('is fetched again when somebody has removed it from the store', async () => {
    const bytes = noise(SIZE);
    const { part, args } = await serve([served('train.zip.001', bytes)]);
    const { key } = await part(args);
    await services.store.remove(key);
    expect(await part(args)).toMatchObject({ fetched: SIZE, reused: false });
  });
});

describe('a signed address', () => {
  it.each([400, 403, 404])('that the storage answers with %i is asked for again', async status => {
    const bytes = noise(SIZE);
    let requests = 0;
    const { part, args, sent } = await serve([served('train.zip.001', bytes)], {
      onStorageRequest: () => (++requests === 6 ? { status, body: '<Code>ExpiredToken</Code>' } : undefined),
    });
    expect((await bytesOf(services.store, await part(args))).equals(bytes)).toBe(true);
    expect(sent.apiCalls).toBe(2);
  });

  it('that has expired for real is asked for again', async () => {
    const bytes = noise(SIZE);
    const { part, args, sent } = await serve([served('train.zip.001', bytes)], { addressSeconds: 1 });
    const first = await part(args);
    expect(first.size).toBe(SIZE);
    expect(sent.apiCalls).toBeGreaterThanOrEqual(1);
  });

  it('is in no error', async () => {
    const { part, args } = await serve([served('train.zip.001', noise(SIZE))], {
      onStorageRequest: () => ({ status: 503 }),
    });
    const failure = await failureOf(part(args));
    expect(`${failure.message} ${failure.stack} ${JSON.stringify(failure)}`).not.toMatch(
      /X-Goog|kaggle-competitions-data/,
    );
    expect(failure.message).toContain('got 503');
  });
});

describe('a file that changes at its source', () => {
  it('is fetched again from its start, in the middle of the transfer', async () => {
    const [old, fresh] = [noise(SIZE), noise(SIZE - 1000)];
    let requests = 0;
    const { part, args, files } = await serve([served('train.zip.001', old)], {
      onStorageRequest: () => {
        if (++requests === 7) files[0] = served('train.zip.001', fresh);
        return undefined;
      },
    });
    const done = await part(args);
    expect(done).toMatchObject({ size: fresh.length, crc32c: crc32c(fresh) });
    expect((await bytesOf(services.store, done)).equals(fresh)).toBe(true);
    expect(done.fetched).toBeGreaterThan(fresh.length);
  });

  it('is noticed even where the server overlooks If-Range', async () => {
    const bytes = noise(SIZE);
    let requests = 0;
    const { part, args } = await serve([served('train.zip.001', bytes)], {
      onStorageRequest: ({ range }) => {
        requests += 1;
        if (requests !== 9) return undefined;
        const [first, last] = range!.slice('bytes='.length).split('-').map(Number) as [number, number];
        const headers = { etag: '"another"', 'content-range': `bytes ${first}-${last}/${SIZE}` };
        return { status: 206, headers, body: 'x'.repeat(last - first + 1) };
      },
    });
    const done = await part(args);
    expect((await bytesOf(services.store, done)).equals(bytes)).toBe(true);
    expect(done.fetched).toBeGreaterThan(SIZE);
  });

  it('replaces the finished one', async () => {
    const [old, fresh] = [noise(SIZE), noise(SIZE)];
    const { part, args, files } = await serve([served('train.zip.001', old)]);
    await part(args);
    files[0] = served('train.zip.001', fresh);
    const done = await part(args);
    expect(done).toMatchObject({ crc32c: crc32c(fresh), reused: false });
    expect((await bytesOf(services.store, done)).equals(fresh)).toBe(true);
  });
});

describe('a part that comes in a one-entry zip', () => {
  it('stays in it when it is stored: the part is a range of the wrapper', async () => {
    const bytes = noise(SIZE);
    const wrapper = await zipOf({ 'train.zip.001': bytes }, false);
    const { part, args, sent } = await serve([served('train.zip.001', wrapper, 'train.zip.001.zip')]);
    const done = await part(args);
    expect(done).toMatchObject({ key: 'archives/here/train.zip.001.zip', size: SIZE, crc32c: crc32c(bytes) });
    expect(done.offset).toBeGreaterThan(0);
    expect((await bytesOf(services.store, done)).equals(bytes)).toBe(true);
    sent.bodyBytes = 0;
    expect(await part(args)).toMatchObject({ fetched: 0, reused: true, offset: done.offset });
    expect(sent.bodyBytes).toBe(0);
  });

  it('is inflated when it is deflated, and the wrapper goes', async () => {
    const bytes = Buffer.concat([noise(SIZE), Buffer.alloc(SIZE)]);
    const wrapper = await zipOf({ 'train.zip.001': bytes }, true);
    const { part, args, sent } = await serve([served('train.zip.001', wrapper, 'train.zip.001.zip')]);
    const done = await part(args);
    expect(done).toMatchObject({
      key: 'archives/here/train.zip.001',
      offset: 0,
      size: 2 * SIZE,
      crc32c: crc32c(bytes),
    });
    expect((await bytesOf(services.store, done)).equals(bytes)).toBe(true);
    expect(await keysOf(services.store)).toEqual([
      'archives/here/train.zip.001',
      'archives/here/train.zip.001.part.json',
    ]);
    sent.bodyBytes = 0;
    expect(await part(args)).toEqual({ ...done, fetched: 0, reused: true });
    expect(sent.bodyBytes).toBe(0);
  });

  it('is no wrapper just because it begins like a zip', async () => {
    const zip = await zipOf({ 'train.zip.001': noise(1000) }, false);
    const { part, args } = await serve([served('train.zip.001', zip)]);
    expect(await part(args)).toMatchObject({ key: 'archives/here/train.zip.001', offset: 0, size: zip.length });
  });

  it.each([
    ['a flipped byte in stored data', false],
    ['a flipped byte in deflated data', true],
  ])('is refused for %s', async (_, compress) => {
    const wrapper = await zipOf({ 'train.zip.001': noise(SIZE) }, compress);
    wrapper[SIZE >> 1]! ^= 1;
    const { part, args } = await serve([served('train.zip.001', wrapper, 'train.zip.001.zip')]);
    const failure = await failureOf(part(args));
    expect(failure).toMatchObject({ nonRetryable: true, type: 'BadArchive' });
    expect(failure.message).toContain('CRC-32');
    expect(await keysOf(services.store)).not.toContain('archives/here/train.zip.001');
  });

  it.each([
    ['two entries', { 'train.zip.001': noise(10), 'train.zip.002': noise(10) }, 'got 2 entries'],
    ['another name', { 'train.zip.002': noise(10) }, 'got one of train.zip.002'],
  ])('is refused for %s', async (_, files, message) => {
    const { part, args } = await serve([served('train.zip.001', await zipOf(files, true), 'train.zip.001.zip')]);
    const failure = await failureOf(part(args));
    expect(failure).toMatchObject({
      nonRetryable: true,
      type: 'BadArchive',
      message: expect.stringContaining(message),
    });
  });

  it('is refused when it is no zip', async () => {
    const { part, args } = await serve([served('train.zip.001', noise(5000), 'train.zip.001.zip')]);
    expect(await failureOf(part(args))).toMatchObject({ nonRetryable: true, type: 'BadArchive' });
  });
});
