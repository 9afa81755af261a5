import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fetch } from 'undici';
import { expect, onTestFinished, test } from 'vitest';
import { exemptLoopback, withLoopbackExempt } from '../../system/no-proxy.ts';
import { proxyDispatcher } from '../../system/proxy.ts';

test('an environment without a proxy is left as it is', () => {
  const env = { NO_PROXY: 'a.example' };
  expect(withLoopbackExempt(env)).toBe(env);
});

test('what is exempted stays so, in both spellings, once', () => {
  const env = { http_proxy: 'http://p', NO_PROXY: 'a.example, localhost', no_proxy: '.b.example' };
  const exempt = '.b.example,a.example,localhost,127.0.0.1,::1,[::1]';
  expect(withLoopbackExempt(env)).toEqual({ http_proxy: 'http://p', NO_PROXY: exempt, no_proxy: exempt });
  const complete = withLoopbackExempt(env);
  expect(withLoopbackExempt(complete)).toBe(complete);
  exemptLoopback(env);
  expect(env).toEqual(complete);
});

test('where everything is exempted, everything stays so', () => {
  expect(withLoopbackExempt({ HTTPS_PROXY: 'http://p', NO_PROXY: '*' })).toMatchObject({
    NO_PROXY: '*',
    no_proxy: '*',
  });
});

test('downloads go through the proxy, those from loopback never', async () => {
  const asked: string[] = [];
  const proxy = await listen(
    createServer((request, response) => {
      asked.push(`GET ${request.url}`);
      response.end('by proxy');
    }).on('connect', (request, socket) => {
      asked.push(`CONNECT ${request.url}`);
      socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n');
    }),
  );
  const origin = await listen(createServer((_, response) => response.end('direct')));
  const dispatcher = proxyDispatcher({ HTTPS_PROXY: proxy, HTTP_PROXY: proxy });
  onTestFinished(() => dispatcher.destroy());

  expect(await (await fetch(origin, { dispatcher })).text()).toBe('direct');
  expect(await (await fetch(origin.replace('127.0.0.1', 'localhost'), { dispatcher })).text()).toBe('direct');
  expect(asked).toEqual([]);
  await expect(fetch('https://far.example/', { dispatcher })).rejects.toThrow();
  await expect(fetch('http://far.example/', { dispatcher })).rejects.toThrow();
  expect(asked).toEqual(['CONNECT far.example:443', 'CONNECT far.example:80']);
});

async function listen(server: Server): Promise<string> {
  // `localhost` may mean either family.
  await new Promise<void>(done => server.listen(0, done));
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise(done => server.close(done));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
