/** S3 servers that lack what a store would like: it works without, or is refused by one line. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openLarge, putLarge } from '../../storage/large.ts';
import { createS3Store } from '../../storage/s3.ts';
import type { ArtifactStore } from '../../storage/store.ts';
import { type Asked, type Harm, type S3Proxy, startS3Proxy } from '../support/s3/proxy.ts';
import { type S3Server, startS3 } from '../support/s3/s3.ts';
import { bytesOf, largeSource } from './bytes.ts';

let server: S3Server;
beforeAll(async () => {
  // It checks no signatures, so that a header can be left out on the way to it.
  server = await startS3(undefined, 'moto');
}, 600_000);
afterAll(() => server?.close());

const conditional = ({ method, headers }: Asked) => method === 'PUT' && headers['if-none-match'] !== undefined;
const checked = ({ method, headers }: Asked) => method === 'PUT' && headers['x-amz-checksum-crc32c'] !== undefined;

describe.each<[string, (asked: Asked) => Harm | undefined]>([
  [
    'answers 501 to conditional puts',
    asked => (conditional(asked) ? { status: 501, code: 'NotImplemented' } : undefined),
  ],
  ['ignores conditions', () => ({ withoutHeader: 'if-none-match' })],
  ['answers 501 to checksums', asked => (checked(asked) ? { status: 501, code: 'NotImplemented' } : undefined)],
  ['answers 400 to checksums', asked => (checked(asked) ? { status: 400, code: 'InvalidRequest' } : undefined)],
])('a server that %s', (lack, harm) => {
  let proxy: S3Proxy;
  let store: ArtifactStore;
  beforeAll(async () => {
    proxy = await startS3Proxy(server.endpoint);
    proxy.harm = harm;
    const env = { ...server.env, AWS_ENDPOINT_URL_S3: proxy.endpoint };
    store = await createS3Store(`s3://${server.bucket}/${lack.replaceAll(' ', '-')}`, { env });
  });
  afterAll(() => proxy?.close());

  it('is taken at the start', () => store.check(), 10_000);

  it('keeps the object that is there', async () => {
    expect(await store.put('key', Buffer.from('one'))).toEqual({ created: true });
    expect(await store.put('key', Buffer.from('two'))).toEqual({ created: false });
    expect(String(await store.get('key'))).toBe('one');
  });

  it('holds large artifacts', async () => {
    const bytes = bytesOf(3, 300_000);
    const { key } = await putLarge(store, 'large', largeSource(bytes), { chunkSize: 100_000 });
    expect(await (await openLarge(store, key)).read({ offset: 0, length: bytes.length })).toEqual(bytes);
  });
});

it('a server that knows no ranges is refused at the start by one line', async () => {
  const proxy = await startS3Proxy(server.endpoint);
  proxy.harm = () => ({ withoutHeader: 'range' });
  try {
    const env = { ...server.env, AWS_ENDPOINT_URL_S3: proxy.endpoint };
    const store = await createS3Store(`s3://${server.bucket}/no-ranges`, { env });
    await expect(store.check()).rejects.toThrow(/^Expected [^\n]*range[^\n]*$/);
  } finally {
    await proxy.close();
  }
}, 10_000);
