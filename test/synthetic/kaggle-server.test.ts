import { crc32c } from '@node-rs/crc32';
import { request } from 'undici';
import { afterEach, describe, expect, it } from 'vitest';
import { putJson } from '../../storage/documents.ts';
import { CorruptObject } from '../../storage/store.ts';
import { serveEyes } from '../../synthetic/kaggle/serve-stored.ts';
import {
  type KaggleServer,
  type KaggleServerOptions,
  type ServedFile,
  startKaggleServer,
} from '../../synthetic/kaggle/server.ts';
import { parseRange } from '../../synthetic/kaggle/storage.ts';
import { testServices } from '../support/services.ts';

const bytes = Buffer.from(Array.from({ length: 5000 }, (_, n) => (n * 7) % 251));
const served = (name: string, servedAs?: string): ServedFile => ({
  name,
  ...(servedAs ? { servedAs } : {}),
  size: bytes.length,
  crc32c: crc32c(bytes),
  read: async (offset, length) => bytes.subarray(offset, offset + length),
});

const TOKEN = 'a-token-of-this-test';
const SERVICE = '/v1/competitions.CompetitionApiService';
const authorization = `Bearer ${TOKEN}`;
let server: KaggleServer;
afterEach(() => server.close());

const start = async (options: Partial<KaggleServerOptions> = {}) => {
  const files = [served('train.zip.001', 'train.zip.001.zip'), served('trainLabels.csv.zip')];
  server = await startKaggleServer({ competition: 'eyes', token: TOKEN, files, ...options });
};
const post = (path: string, body: unknown, headers: Record<string, string> = { authorization }) =>
  request(server.url + path, { method: 'POST', headers, body: JSON.stringify(body) });
const download = async (fileName = 'train.zip.001') => {
  const { statusCode, headers } = await post(`${SERVICE}/DownloadDataFile`, { competitionName: 'eyes', fileName });
  expect(statusCode).toBe(302);
  return new URL(headers.location as string);
};

describe('the API of the Kaggle-compatible server', () => {
  it.each(['', '/api'])('lists the files page by page under %s/v1', async root => {
    await start();
    const page = async (pageToken: string) => {
      const answer = await post(`${root}${SERVICE}/ListDataFiles`, { competitionName: 'eyes', pageSize: 1, pageToken });
      return (await answer.body.json()) as { files: { name: string; totalBytes: number }[]; nextPageToken: string };
    };
    const first = await page('');
    expect(first.files).toMatchObject([{ name: 'train.zip.001', totalBytes: 5000 }]);
    const second = await page(first.nextPageToken);
    expect(second.files.map(({ name }) => name)).toEqual(['trainLabels.csv.zip']);
    expect(second.nextPageToken).toBe('');
  });

  it('wants its token, as Bearer or as the key of a user', async () => {
    await start();
    const ask = async (headers: Record<string, string>) =>
      (await post(`${SERVICE}/ListDataFiles`, { competitionName: 'eyes' }, headers)).statusCode;
    expect(await ask({})).toBe(401);
    expect(await ask({ authorization: 'Bearer another' })).toBe(401);
    expect(await ask({ authorization: `Basic ${Buffer.from(`me:${TOKEN}`).toString('base64')}` })).toBe(200);
    const introspect = await post('/v1/security.OAuthService/IntrospectToken', { token: TOKEN });
    expect(await introspect.body.json()).toMatchObject({ active: true });
  });

  it('knows neither other competitions nor other files', async () => {
    await start();
    const ask = async (competitionName: string, fileName: string) =>
      (await post(`${SERVICE}/DownloadDataFile`, { competitionName, fileName })).statusCode;
    expect(await ask('cats', 'train.zip.001')).toBe(404);
    expect(await ask('eyes', 'train.zip.002')).toBe(404);
  });
});

describe('the storage of the Kaggle-compatible server', () => {
  it('has another host than the API and names the wrapped file', async () => {
    await start();
    const url = await download();
    expect(url.hostname).not.toBe(new URL(server.url).hostname);
    expect(url.pathname.split('/').at(-1)).toBe('train.zip.001.zip');
  });

  it('serves ranges with the headers of Google Cloud Storage', async () => {
    await start();
    const { statusCode, headers, body } = await request(await download(), { headers: { range: 'bytes=100-199' } });
    expect(statusCode).toBe(206);
    expect(headers['content-range']).toBe('bytes 100-199/5000');
    expect(headers['accept-ranges']).toBe('bytes');
    expect(headers['last-modified']).toBeTruthy();
    const hash = Buffer.from(String(headers['x-goog-hash']).slice('crc32c='.length), 'base64').readUInt32BE();
    expect(hash).toBe(crc32c(bytes));
    expect(Buffer.from(await body.arrayBuffer())).toEqual(bytes.subarray(100, 200));
    expect(server.served.bodyBytes).toBe(100);
  });

  it('sends everything when If-Range names another version, and nothing when If-None-Match names this one', async () => {
    await start();
    const url = await download();
    const first = await request(url, { headers: { range: 'bytes=0-0' } });
    await first.body.dump();
    const etag = first.headers.etag as string;
    const get = async (headers: Record<string, string>) => {
      const answer = await request(url, { headers: { range: 'bytes=0-9', ...headers } });
      return [answer.statusCode, (await answer.body.arrayBuffer()).byteLength];
    };
    expect(await get({ 'if-range': etag })).toEqual([206, 10]);
    expect(await get({ 'if-range': '"another"' })).toEqual([200, 5000]);
    expect(await get({ 'if-none-match': etag })).toEqual([304, 0]);
    expect(await get({ range: 'bytes=5000-' })).toEqual([416, 0]);
  });

  it('refuses an address whose time is over, one that was altered, and credentials', async () => {
    await start({ addressSeconds: 0 });
    const expired = await request(await download());
    expect([expired.statusCode, await expired.body.text()]).toEqual([400, expect.stringContaining('ExpiredToken')]);
    const longer = await download();
    longer.searchParams.set('X-Goog-Expires', '9999');
    expect((await request(longer)).statusCode).toBe(403);
    const other = await download();
    other.pathname = other.pathname.replaceAll('train.zip.001', 'trainLabels.csv');
    expect((await request(other)).statusCode).toBe(403);
    await server.close();
    await start();
    expect((await request(await download(), { headers: { authorization } })).statusCode).toBe(400);
  });

  it('understands every form of a range', () => {
    expect(parseRange('bytes=0-', 10)).toEqual({ first: 0, last: 9 });
    expect(parseRange('bytes=-3', 10)).toEqual({ first: 7, last: 9 });
    expect(parseRange('bytes=8-99', 10)).toEqual({ first: 8, last: 9 });
    expect(parseRange('bytes=10-', 10)).toBeNull();
    for (const ignored of [undefined, 'bytes=-', 'bytes=5-3', 'bytes=0-1,3-4', 'lines=1-2']) {
      expect(parseRange(ignored, 10)).toBeUndefined();
    }
  });
});

describe('made-up eyes in a store', () => {
  it('are served to anybody, the parts under the names that Kaggle lists', async () => {
    const services = await testServices();
    try {
      const { store } = services;
      const prefix = 'stages/synthetic/0123456789abcdef';
      const outputs = Object.fromEntries(
        ['train.zip.001.zip', 'trainLabels.csv.zip'].map(name => {
          return [name, { key: `${prefix}/files/${name}`, size: bytes.length, crc32c: crc32c(bytes) }];
        }),
      );
      for (const { key } of Object.values(outputs)) await store.put(key, bytes);
      await expect(serveEyes(store, prefix)).rejects.toThrow(CorruptObject);
      await putJson(store, `${prefix}/manifest.json`, { outputs });
      server = await serveEyes(store, prefix);
      const answer = await post(`${SERVICE}/ListDataFiles`, { competitionName: 'any' }, {});
      const { files } = (await answer.body.json()) as { files: { name: string }[] };
      expect(files.map(({ name }) => name)).toEqual(['train.zip.001', 'trainLabels.csv.zip']);
      const url = await download();
      expect(url.pathname).toMatch(/train\.zip\.001\.zip$/);
      const { body } = await request(url, { headers: { range: 'bytes=4000-' } });
      expect(Buffer.from(await body.arrayBuffer())).toEqual(bytes.subarray(4000));
    } finally {
      await services.close();
    }
  });
});
