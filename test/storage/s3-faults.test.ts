/** The S3 driver when the network or the server does harm: it ends right or with a named error, and never hangs. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { failureKind } from '../../activities/failures.ts';
import { createS3Store } from '../../storage/s3.ts';
import type { ArtifactStore } from '../../storage/store.ts';
import { type Asked, type Harm, type S3Proxy, startS3Proxy } from '../support/s3/proxy.ts';
import { type S3Server, startS3 } from '../support/s3/s3.ts';
import { bytesOf } from './bytes.ts';

const MiB = 1 << 20;
let server: S3Server;
let proxy: S3Proxy;
/** Straight to the server. */
let direct: ArtifactStore;
/** Through the proxy. */
let store: ArtifactStore;

beforeAll(async () => {
  server = await startS3();
  proxy = await startS3Proxy(server.endpoint);
  direct = await createS3Store(server.url, { env: server.env });
  store = await createS3Store(server.url, { env: { ...server.env, AWS_ENDPOINT_URL_S3: proxy.endpoint }, idleMs: 500 });
  await store.check();
});
afterAll(async () => {
  await proxy?.close();
  await server?.close();
});
beforeEach(() => {
  proxy.harm = () => undefined;
});

/** Does the harm to the first `times` requests that are meant. */
function first(times: number, meant: (asked: Asked) => boolean, harm: Harm): { done: number } {
  const count = { done: 0 };
  proxy.harm = asked => {
    if (!meant(asked) || count.done === times) return undefined;
    count.done++;
    return harm;
  };
  return count;
}
const isGet = ({ method, path, query }: Asked) => method === 'GET' && !path.includes('/.') && !query.has('list-type');
const isPut = ({ method, path }: Asked) => method === 'PUT' && !path.includes('/.');

describe('reading', () => {
  const bytes = bytesOf(5, 20 * MiB + 123);
  beforeAll(async () => {
    await direct.put('large', bytes);
    await direct.put('small', bytes.subarray(0, 1000));
  });

  it.each([
    ['breaks', { cutAnswerAfter: 3 * MiB }],
    ['breaks before its first byte', { cutAnswerAfter: 0 }],
    ['stalls', { stallAnswerAfter: MiB }],
    ['is answered with 500', { status: 500, code: 'InternalError' }],
    ['is answered with 503', { status: 503, code: 'SlowDown' }],
  ] as [string, Harm][])('goes on when a connection %s', async (_name, harm) => {
    // The SDK waits long when it is told to slow down.
    const times = 'status' in harm && harm.status === 503 ? 1 : 3;
    const harmed = first(times, isGet, harm);
    expect((await store.get('large')).equals(bytes)).toBe(true);
    expect(harmed.done).toBe(times);
  });

  it('fetches only what is missing again', async () => {
    const asked: string[] = [];
    let cut = false;
    proxy.harm = one => {
      if (!isGet(one)) return undefined;
      asked.push(String(one.headers.range));
      if (cut) return undefined;
      cut = true;
      return { cutAnswerAfter: 600 };
    };
    expect((await store.get('small')).equals(bytes.subarray(0, 1000))).toBe(true);
    expect(asked).toHaveLength(2);
    const from = Number(/^bytes=(\d+)-999$/.exec(asked[1]!)?.[1]);
    expect(from).toBeGreaterThan(0);
    expect(from).toBeLessThanOrEqual(600);
  });

  it('ends with a named error that is tried again when no byte ever comes', async () => {
    first(Number.POSITIVE_INFINITY, isGet, { cutAnswerAfter: 0 });
    const error = await store.get('small').catch(reason => reason);
    expect(error.message).toMatch(
      /^Expected .* to answer to s3:GetObject|^Expected 1000 bytes of .*small at 0, got 0 before/,
    );
    expect(failureKind(error)).toBe('passing');
  });

  it('gives one version of an object that is replaced meanwhile', async () => {
    const [one, two] = [bytesOf(1, 20 * MiB), bytesOf(2, 20 * MiB)];
    await direct.put('replaced', one);
    let gets = 0;
    proxy.harm = async asked => {
      if (!isGet(asked)) return undefined;
      if (++gets === 2) await direct.put('replaced', two, { overwrite: true });
      return gets === 1 ? { cutAnswerAfter: 3 * MiB } : undefined;
    };
    expect((await store.get('replaced')).equals(two)).toBe(true);
    await direct.remove('replaced');
  });

  it('holds no more connections than it may, whatever becomes of many reads at once', async () => {
    // Many wait for a connection here, which must not count as one that brings nothing.
    const patient = await createS3Store(server.url, { env: { ...server.env, AWS_ENDPOINT_URL_S3: proxy.endpoint } });
    const before = proxy.connections().open;
    let n = 0;
    proxy.harm = asked => (isGet(asked) && n++ % 7 === 0 ? { cutAnswerAfter: 500 } : undefined);
    const got = await Promise.all(
      Array.from({ length: 300 }, async (_, i) => {
        const read = patient.get(i % 3 === 0 ? 'nothing' : 'small');
        return read.then(
          all => all.equals(bytes.subarray(0, 1000)),
          reason => reason.name,
        );
      }),
    );
    expect(got).toEqual(got.map((_, i) => (i % 3 === 0 ? 'ObjectNotFound' : true)));
    expect(proxy.connections().most).toBeLessThanOrEqual(before + 64);
    // One that nobody consumed would still hold its connection, and the 65th of them would wait for ever.
    for (let i = 0; i < 80; i++) await patient.get('nothing').catch(() => {});
    expect((await patient.get('small')).length).toBe(1000);
  });
});

describe('writing', () => {
  // A server that is busy with other tests takes longer to write than a read may be silent.
  let store: ArtifactStore;
  beforeAll(async () => {
    store = await createS3Store(server.url, {
      env: { ...server.env, AWS_ENDPOINT_URL_S3: proxy.endpoint },
      idleMs: 10_000,
    });
    await store.check();
  });
  const bytes = bytesOf(9, 5 * MiB + 1000);

  it('knows its own object when the answer to a put was lost', async () => {
    const harmed = first(1, isPut, { loseAnswer: true });
    expect(await store.put('lost-answer', bytesOf(1, 1000))).toEqual({ created: true });
    expect(harmed.done).toBe(1);
    expect(await store.put('lost-answer', bytesOf(1, 1000))).toEqual({ created: false });
    first(1, isPut, { loseAnswer: true });
    expect(await store.put('lost-answer', bytesOf(1, 1000))).toEqual({ created: false });
  });

  it('finds what somebody else removes at the same time removed', async () => {
    first(1, ({ method }) => method === 'DELETE', { status: 404, code: 'NoSuchKey' });
    await store.remove('removed/by/two');
  });

  it('tries again where two conditional writes meet', async () => {
    first(2, isPut, { status: 409, code: 'ConditionalRequestConflict' });
    expect(await store.put('conflict', bytesOf(1, 10))).toEqual({ created: true });
  });

  it.each([
    ['request is torn', { cutRequestAfter: 2 * MiB }],
    ['put is answered with 500', { status: 500, code: 'InternalError' }],
    ['put is answered with 503', { status: 503, code: 'SlowDown' }],
    ['answer is lost', { loseAnswer: true }],
  ] as [string, Harm][])('makes the object when %s', async (name, harm) => {
    const key = `faults/${name.replaceAll(' ', '-')}`;
    const harmed = first(1, isPut, harm);
    expect(await store.put(key, bytes)).toEqual({ created: true });
    expect(harmed.done).toBe(1);
    expect((await direct.get(key)).equals(bytes)).toBe(true);
  });
});
