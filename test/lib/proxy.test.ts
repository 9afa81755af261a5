import { createServer, type Server as HttpServer } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net';
import { fetch } from 'undici';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createHttp } from '../../activities/download/http.ts';
import { exemptLoopback, withLoopbackExempt } from '../../lib/no-proxy.ts';
import { grpcProxy, proxyDispatcher } from '../../lib/proxy.ts';
import { downloadTemporalCli } from '../../lib/tools/temporal-download.ts';

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

describe('a proxy that does not connect is named, not the server', () => {
  const fault = async (env: NodeJS.ProcessEnv, url = 'https://far.example/') => {
    const signal = new AbortController().signal;
    const error = await createHttp(env, 2_000)
      .send(new URL(url), { signal })
      .catch(reason => reason);
    const { nonRetryable = false, message } = error as Error & { nonRetryable?: boolean };
    return { final: nonRetryable, message };
  };
  const answering = async (text: string) => {
    const server = createTcpServer(socket => socket.once('data', () => socket.end(text)).on('error', () => {}));
    return (await listen(server)).replace('http://', '');
  };
  const cure = 'correct HTTPS_PROXY, or add the host to NO_PROXY';

  test('one where nobody listens, with or without a scheme', async () => {
    const server = createServer();
    const dead = await listen(server);
    await new Promise(done => server.close(done));
    const host = dead.replace('http://', '');
    const line = `Expected the proxy ${host} (HTTPS_PROXY) to connect to far.example:443, got ECONNREFUSED: ${cure}`;
    for (const proxy of [dead, host, `alice:s3cret@${host}`])
      expect(await fault({ HTTPS_PROXY: proxy })).toEqual({ final: false, message: line });
    expect((await fault({ HTTP_PROXY: host }, 'http://far.example/')).message).toMatch(
      `Expected the proxy ${host} (HTTP_PROXY) to connect to far.example:80, got ECONNREFUSED`,
    );
  });

  test('one that is not there', async () => {
    expect((await fault({ https_proxy: 'proxy.invalid:3128' })).message).toMatch(
      /^Expected the proxy proxy\.invalid:3128 \(HTTPS_PROXY\) to connect to far\.example:443, got (ENOTFOUND|EAI_AGAIN)/,
    );
  });

  test.each([
    ['407 Proxy Authentication Required', true, 'got 407: put its user and password into that address'],
    ['403 Forbidden', true, `got 403: ${cure}`],
    ['502 Bad Gateway', false, `got 502: ${cure}`],
  ])('one that answers %s', async (status, final, line) => {
    const proxy = await answering(`HTTP/1.1 ${status}\r\n\r\n`);
    expect(await fault({ HTTPS_PROXY: proxy })).toEqual({
      final,
      message: `Expected the proxy ${proxy} (HTTPS_PROXY) to connect to far.example:443, ${line}`,
    });
  });

  test('one that is no proxy', async () => {
    expect((await fault({ HTTPS_PROXY: await answering('SSH-2.0-x\r\n') })).message).toMatch(/^Expected the proxy /);
    expect(await fault({ HTTPS_PROXY: 'ftp://s3cret@far.example' })).toEqual({
      final: true,
      message: 'Expected HTTPS_PROXY to be http://HOST:PORT, got something else: correct it',
    });
  });

  test('for the Temporal CLI and for gRPC', async () => {
    const proxy = await answering('HTTP/1.1 502 Bad Gateway\r\n\r\n');
    const download = downloadTemporalCli('/nonexistent', '1.0.0', {
      ...{ env: { HTTPS_PROXY: proxy }, report: () => {}, from: 'https://far.example' },
    });
    await expect(download).rejects.toThrow(`Expected the proxy ${proxy} (HTTPS_PROXY) to connect to far.example:443`);
    const env = { https_proxy: 'http://me:s3cret@proxy.example:3128', no_proxy: '.near.example' };
    expect(grpcProxy('far.example:7233', env)).toBe('proxy.example:3128 (https_proxy)');
    expect(grpcProxy('a.near.example:7233', env)).toBeUndefined();
  });
});

async function listen(server: Server): Promise<string> {
  // `localhost` may mean either family.
  await new Promise<void>(done => server.listen(0, done));
  onTestFinished(async () => {
    (server as Partial<HttpServer>).closeAllConnections?.();
    await new Promise(done => server.close(done));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
