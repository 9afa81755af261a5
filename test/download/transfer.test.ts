import { crc32c } from '@node-rs/crc32';
import { ActivityCancellationDetails } from '@temporalio/common';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DownloadProgress } from '../../activities/download/types.ts';
import { removeLarge } from '../../storage/large.ts';
import {
  type KaggleServer,
  type KaggleServerOptions,
  type ServedFile,
  startKaggleServer,
} from '../../synthetic/kaggle/server.ts';
import { type TestServices, testServices } from '../support/services.ts';
import {
  activitiesOn,
  argsFor,
  bytesOf,
  failureOf,
  keysOf,
  noise,
  PART_KEY,
  quietEnvironment,
  served,
} from './world.ts';

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
  it('comes whole, in chunks, and is there the next time for no byte of body', async () => {
    const bytes = noise(SIZE);
    const { part, args, sent } = await serve([served('train.zip.001', bytes)]);
    const first = await part(args);
    expect(first).toEqual({
      name: 'train.zip.001',
      key: expect.stringMatching(PART_KEY),
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
      // The probe and four chunks, then nothing more.
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

  it('repeats a chunk whose connection breaks, and counts what was lost', async () => {
    const bytes = noise(SIZE);
    let requests = 0;
    const { part, args } = await serve([served('train.zip.001', bytes)], {
      onStorageRequest: () => (++requests === 4 ? { cutAfter: 1000 } : undefined),
    });
    const done = await part(args);
    expect(done.fetched).toBeGreaterThanOrEqual(SIZE);
    expect((await bytesOf(services.store, done)).equals(bytes)).toBe(true);
  });

  it('repeats a chunk that comes short without the server saying so', async () => {
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
    await services.store.remove(first.key.replace('part/chunks.json', 'part.json'));
    sent.bodyBytes = 0;
    expect(await part(args)).toEqual({ ...first, fetched: 0 });
    expect(sent.bodyBytes).toBeLessThanOrEqual(1);
  });

  it('is fetched again when somebody has removed it from the store', async () => {
    const bytes = noise(SIZE);
    const { part, args } = await serve([served('train.zip.001', bytes)]);
    const { key } = await part(args);
    await removeLarge(services.store, key.replace('/chunks.json', ''));
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
    const options: KaggleServerOptions = {
      competition: null,
      token: null,
      files: [served('train.zip.001', bytes)],
      addressSeconds: 0,
      onApiRequest: () => {
        if (server && server.served.apiCalls > 1) options.addressSeconds = 60;
        return undefined;
      },
    };
    server = await startKaggleServer(options);
    const { part } = activitiesOn(services);
    expect((await part(argsFor(server.url))).size).toBe(SIZE);
    expect(server.served.apiCalls).toBe(2);
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

  it('stands beside the finished one, which others may be reading', async () => {
    const [old, fresh] = [noise(SIZE), noise(SIZE)];
    const { part, args, files, sent } = await serve([served('train.zip.001', old)]);
    const before = await part(args);
    files[0] = served('train.zip.001', fresh);
    const after = await part(args);
    expect(after).toMatchObject({ crc32c: crc32c(fresh), fetched: SIZE, reused: false });
    expect((await bytesOf(services.store, after)).equals(fresh)).toBe(true);
    expect((await bytesOf(services.store, before)).equals(old)).toBe(true);
    sent.bodyBytes = 0;
    expect(await part(args)).toEqual({ ...after, fetched: 0, reused: true });
    expect(sent.bodyBytes).toBeLessThanOrEqual(1);
  });
});
