/** Where a source may redirect to, and that the answers of other places are neither asked for nor shown. */
import dns from 'node:dns';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createHttp } from '../../activities/download/http.ts';
import { lookupWithin, networkOf, networkOfHost } from '../../activities/download/reach.ts';
import { type TestServices, testServices } from '../support/services.ts';
import { activitiesOn, argsFor, failureOf } from './world.ts';

let services: TestServices;
const servers: Server[] = [];
beforeEach(async () => {
  services = await testServices();
});
afterEach(async () => {
  vi.restoreAllMocks();
  for (const server of servers.splice(0)) server.close().closeAllConnections();
  await services.close();
});

/** Serves on loopback. @returns its port, and what it was asked for */
async function serve(answer: (url: string) => { status: number; location?: string; body?: string }) {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    const { status, location, body = '' } = answer(request.url!);
    response.writeHead(status, location ? { location } : { 'content-type': 'application/json' }).end(body);
  });
  servers.push(server);
  await new Promise<void>(resolve => server.listen(0, resolve));
  return { asked, port: (server.address() as AddressInfo).port };
}

/** Has names lead where the test says; of several addresses one a call. */
function resolveTo(names: Record<string, string[]>) {
  const calls: Record<string, number> = {};
  vi.spyOn(dns, 'lookup').mockImplementation(((name: string, _options: object, done: (...all: unknown[]) => void) => {
    calls[name] = (calls[name] ?? 0) + 1;
    const addresses = names[name] ?? [];
    const address = addresses[Math.min(calls[name], addresses.length) - 1];
    if (address) done(null, [{ address, family: address.includes(':') ? 6 : 4 }]);
    else done(Object.assign(new Error(name), { code: 'ENOTFOUND' }));
  }) as never);
}

describe('networks', () => {
  it.each([
    ['127.0.0.1', 'loopback'],
    ['127.255.0.3', 'loopback'],
    ['::1', 'loopback'],
    ['::ffff:127.0.0.1', 'loopback'],
    ['::ffff:7f00:1', 'loopback'],
    ['169.254.169.254', 'link-local'],
    ['::ffff:169.254.169.254', 'link-local'],
    ['fe80::1', 'link-local'],
    ['fe80::1%eth0', 'link-local'],
    ['10.1.2.3', 'private'],
    ['172.31.255.255', 'private'],
    ['192.168.0.1', 'private'],
    ['100.64.0.1', 'private'],
    ['fd00:ec2::254', 'private'],
    ['::ffff:10.0.0.1', 'private'],
    ['0.0.0.0', 'other'],
    ['::', 'other'],
    ['64:ff9b::a9fe:a9fe', 'other'],
    ['2002:7f00:1::', 'other'],
    ['224.0.0.1', 'other'],
    ['localhost', 'other'],
    ['8.8.8.8', 'public'],
    ['172.32.0.1', 'public'],
    ['2a00:1450:4001::1', 'public'],
  ])('%s is %s', (address, network) => expect(networkOf(address)).toBe(network));

  it.each([
    ['http://2130706433/', 'loopback'],
    ['http://0x7f.1/', 'loopback'],
    ['http://[::ffff:a9fe:a9fe]/', 'link-local'],
    ['http://LOCALHOST./', 'loopback'],
    ['http://a.localhost/', 'loopback'],
    ['http://example.org/', undefined],
  ])('%s leads to %s', (url, network) => expect(networkOfHost(new URL(url).hostname)).toBe(network));
});

describe('a source that redirects', () => {
  const list = (parts = ['train.zip.001', 'trainLabels.csv']) =>
    JSON.stringify({ files: parts.map(name => ({ name, totalBytes: 10 })), nextPageToken: '' });
  /** A source on loopback that goes by `host`, and answers every question for a file by a redirect. */
  async function redirecting(host: string, location: string) {
    const source = await serve(url =>
      url.includes('List') ? { status: 200, body: list() } : { status: 302, location },
    );
    return argsFor(`http://${host}:${source.port}`);
  }
  const message = async (args: ReturnType<typeof argsFor>) => {
    const failure = await failureOf(activitiesOn(services).part(args));
    expect(failure).toMatchObject({ nonRetryable: true, type: 'BadInput' });
    return failure.message;
  };

  it.each([
    ['169.254.169.254', 'link-local'],
    ['[::ffff:169.254.169.254]', 'link-local'],
    ['10.0.0.1', 'private'],
    ['192.168.1.1:8080', 'private'],
    ['0.0.0.0', 'other'],
  ])('from loopback to %s is refused, as nothing is asked there', async (host, network) => {
    expect(await message(await redirecting('127.0.0.1', `http://${host}/latest/meta-data/train.zip.001`))).toBe(
      `Expected an answer from ${new URL(`http://${host}`).host}, got a ${network} address: a source may redirect to public addresses, and within its own network`,
    );
  });

  it('within its own network is followed', async () => {
    const storage = await serve(() => ({ status: 404 }));
    resolveTo({ 'storage.example': ['127.0.0.1'], 'source.example': ['127.0.0.1'] });
    const args = await redirecting('source.example', `http://storage.example:${storage.port}/train.zip.001`);
    expect((await failureOf(activitiesOn(services).part(args))).message).toBe(
      `Expected storage.example:${storage.port} to serve train.zip.001, got 404`,
    );
    expect(storage.asked[0]).toBe('GET /train.zip.001');
  });

  it('to a name that leads elsewhere is refused, also when it has led well before', async () => {
    const storage = await serve(() => ({ status: 404, body: 'inner secret' }));
    // The source is on loopback: what it leads to there is its own network, and the private network is not.
    resolveTo({ 'rebound.example': ['127.0.0.1', '10.0.0.1'], 'inner.example': ['10.0.0.1'] });
    for (const name of ['inner.example', 'rebound.example']) {
      const args = await redirecting('127.0.0.1', `http://${name}:${storage.port}/train.zip.001`);
      expect((await failureOf(activitiesOn(services).part(args))).message).toMatch(
        name === 'inner.example' ? /got a private address/ : /got a private address|got 404/,
      );
    }
    const { signal } = new AbortController();
    const reach = new Set(['public'] as const);
    for (const ask of ['send', 'stream'] as const) {
      resolveTo({ 'rebound.example': ['127.0.0.1'] });
      const url = new URL(`http://rebound.example:${storage.port}/x`);
      await expect(createHttp({}, 1_000)[ask](url, { signal, reach })).rejects.toThrow('got a loopback address');
    }
  });

  it('by a connection that another source has kept open is refused all the same', async () => {
    const inner = await serve(() => ({ status: 200, body: list([]) }));
    resolveTo({ 'inner.example': ['127.0.0.1'] });
    const http = createHttp({}, 1_000);
    const { signal } = new AbortController();
    const url = new URL(`http://inner.example:${inner.port}/x`);
    await (await http.send(url, { signal })).body.dump();
    await expect(http.send(url, { signal, reach: new Set(['public']) })).rejects.toThrow('got a loopback address');
    expect(inner.asked).toHaveLength(1);
  });

  it('to loopback through a proxy is refused by its address and its name', async () => {
    const { signal } = new AbortController();
    const http = createHttp({ HTTP_PROXY: 'http://127.0.0.1:1' }, 1_000);
    for (const host of ['10.0.0.1', 'localhost', '[::1]', 'x.localhost'])
      await expect(http.stream(new URL(`http://${host}/`), { signal, reach: new Set(['public']) })).rejects.toThrow(
        'a source may redirect to public addresses',
      );
  });

  it('whose name leads to several networks has none of its own', async () => {
    const source = await serve(() => ({ status: 302, location: 'http://127.0.0.1/' }));
    resolveTo({ 'both.example': ['127.0.0.1', '::ffff:127.0.0.1'] });
    const http = createHttp({}, 1_000);
    const url = new URL(`http://both.example:${source.port}/`);
    const { signal } = new AbortController();
    expect(http.reachFrom(url)).toEqual(new Set(['public']));
    await (await http.send(url, { signal })).body.dump();
    expect(http.reachFrom(url)).toEqual(new Set(['public', 'loopback']));
    expect(http.reachFrom(new URL('http://10.0.0.1/'))).toEqual(new Set(['public', 'private']));
  });

  it('that answers with an error of no form of Kaggle is not repeated', async () => {
    const { port } = await serve(() => ({ status: 404, body: 'root:x:0:0 inner secret' }));
    const failure = await failureOf(activitiesOn(services).run('listFiles', argsFor(`http://127.0.0.1:${port}`)));
    expect(failure.message).not.toContain('secret');
    expect(failure.message).toContain('got 404: check archive.competition');
  });
});

it('a name is looked up for one address or all, as asked', async () => {
  resolveTo({ 'one.example': ['8.8.8.8'] });
  const look = (options: object) =>
    new Promise(resolve => lookupWithin(new Set(['public']))('one.example', options, (...all) => resolve(all)));
  expect(await look({})).toEqual([null, '8.8.8.8', 4]);
  expect(await look({ all: true })).toEqual([null, [{ address: '8.8.8.8', family: 4 }]]);
  expect(await look({ family: 4 })).toEqual([null, '8.8.8.8', 4]);
});
