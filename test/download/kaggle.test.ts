import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findCredentials, mayReceiveCredentials } from '../../activities/download/kaggle/credentials.ts';
import { type KaggleServer, type KaggleServerOptions, startKaggleServer } from '../../synthetic/kaggle/server.ts';
import { type TestServices, testServices } from '../support/services.ts';
import { activitiesOn, argsFor, bytesOf, failureOf, LABELS, noise, served, zipOf } from './world.ts';

const SECRET = 'KGAT_do-not-tell-anybody';
let services: TestServices;
let server: KaggleServer | undefined;
beforeEach(async () => {
  services = await testServices();
  services.env = { HOME: services.scratch, KAGGLE_API_TOKEN: SECRET, RETINOPATHY_KAGGLE_HOSTS: '127.0.0.1' };
});
afterEach(async () => {
  await server?.close();
  server = undefined;
  await services.close();
});

async function serve(options: Partial<KaggleServerOptions> = {}) {
  const files = [
    served('test.zip.001', noise(10)),
    served('train.zip.001', noise(1000)),
    served('trainLabels.csv.zip', await zipOf({ 'trainLabels.csv': Buffer.from(LABELS) }, true)),
  ];
  server = await startKaggleServer({ competition: 'diabetic-retinopathy-detection', token: SECRET, files, ...options });
  return { ...activitiesOn(services), args: argsFor(server.url), sent: server.served };
}

describe('a Kaggle-compatible source', () => {
  it('is listed, and its labels are unwrapped and checked', async () => {
    const { run, args } = await serve();
    const listed = await run('listFiles', args);
    expect(listed).toMatchObject({
      folder: expect.stringMatching(/^http-[0-9a-f]{12}$/),
      fingerprint: expect.stringMatching(/^[0-9a-f]{16}$/),
      parts: [{ name: 'train.zip.001', size: 1000 }],
      labels: { name: 'trainLabels.csv.zip' },
    });
    expect(await run('listFiles', args)).toEqual(listed);
    const labels = await run('downloadLabels', { ...args, folder: listed.folder, file: listed.labels! });
    expect(labels).toMatchObject({ key: `archives/${listed.folder}/labels.csv`, rows: 2, stages: [1, 0, 1, 0, 0] });
    expect((await services.store.get(labels.key)).toString()).toBe(LABELS);
  });

  it('is listed to its last page', async () => {
    const { run, args } = await serve({
      onApiRequest: ({ body }) => {
        body.pageSize = 1;
        return undefined;
      },
    });
    expect((await run('listFiles', args)).labels?.name).toBe('trainLabels.csv.zip');
  });

  it('may have seven parts of another name, and no labels', async () => {
    const names = Array.from({ length: 7 }, (_, n) => `test.zip.00${n + 1}`);
    const contents = names.map(() => noise(1000));
    const { run, part, args } = await serve({ files: names.map((name, n) => served(name, contents[n]!)) });
    const archive = { ...args.archive, name: 'test.zip', parts: 7, labels: null };
    const listed = await run('listFiles', { ...args, archive });
    expect(listed.parts.map(({ name }) => name)).toEqual(names);
    expect(listed.labels).toBeNull();
    for (const [n, name] of names.entries()) {
      expect((await bytesOf(services.store, await part({ ...args, archive }, name))).equals(contents[n]!)).toBe(true);
    }
  });

  it('names the part that is missing', async () => {
    const { run, args } = await serve({ files: [1, 2, 3, 4].map(n => served(`train.zip.00${n}`, noise(10))) });
    const failure = await failureOf(
      run('listFiles', { ...args, archive: { ...args.archive, parts: 5, labels: null } }),
    );
    expect(failure).toMatchObject({ nonRetryable: true, type: 'BadInput' });
    expect(failure.message).toMatch(
      /^Expected 5 parts of train\.zip in .*, got 4 \(train\.zip\.001 to train\.zip\.004\): .*, or add train\.zip\.005$/,
    );
  });
});

describe('a proxy in the environment', () => {
  it('is used for other hosts, and never for loopback', async () => {
    const asked: string[] = [];
    const tunnels: Duplex[] = [];
    const proxy = createServer().on('connect', (request, client) => {
      asked.push(request.url!);
      tunnels.push(client);
      const onward = connect(Number(new URL(server!.url).port), '127.0.0.1', () => {
        client.write('HTTP/1.1 200 Connection established\r\n\r\n');
        client.pipe(onward).pipe(client);
      });
      for (const [end, other] of [
        [client, onward],
        [onward, client],
      ] as const)
        end.on('error', () => other.destroy());
    });
    await new Promise<void>(resolve => proxy.listen(0, '127.0.0.1', resolve));
    try {
      const { port } = proxy.address() as AddressInfo;
      services.env = {
        ...services.env,
        HTTP_PROXY: `http://127.0.0.1:${port}`,
      };
      const { part, run, args } = await serve({ token: null });
      await part(args);
      expect(asked).toEqual([]);
      const elsewhere = { ...args, source: 'http://kaggle.example' };
      await run('listFiles', elsewhere);
      expect(asked).toEqual(['kaggle.example:80']);
      // It redirects to loopback, which it is not in itself.
      expect((await failureOf(part(elsewhere))).message).toContain('a source may redirect to public addresses');
    } finally {
      for (const tunnel of tunnels) tunnel.destroy();
      await new Promise(resolve => proxy.close(resolve));
    }
  });
});

describe('an error of Kaggle', () => {
  const answer = (status: number, body: unknown, headers = {}) => ({ status, headers, body: JSON.stringify(body) });
  const NEW_SHAPE = { error: { code: 429, message: 'Too many requests', status: 'RESOURCE_EXHAUSTED' } };

  it.each([
    [
      answer(401, { code: 401, message: 'Unauthorized' }),
      'AccessDenied',
      /KAGGLE_API_TOKEN, got 401 \(Unauthorized\): create a new token/,
    ],
    [
      answer(403, { code: 403, message: "You must accept this competition's rules" }),
      'AccessDenied',
      /accept the rules at https:\/\/www\.kaggle\.com\/competitions\/diabetic-retinopathy-detection\/rules/,
    ],
    [answer(404, { message: 'Not Found' }), 'BadInput', /got 404.*check archive\.competition/],
    [answer(200, { code: 403, message: 'Permission denied' }), 'AccessDenied', /got 403 \(Permission denied\)/],
    [
      answer(400, { error: { code: 400, message: `token ${SECRET} is odd` } }),
      'BadInput',
      /got 400 \(token \*\*\* is odd\)/,
    ],
  ])('is final where nobody but a person can help: %j', async (odd, type, message) => {
    const { part, run, args, sent } = await serve({ onApiRequest: () => odd });
    for (const work of [() => part(args), () => run('listFiles', args)]) {
      const failure = await failureOf(work());
      expect(failure).toMatchObject({ nonRetryable: true, type });
      expect(failure.message).toMatch(message);
      expect(`${failure.stack} ${JSON.stringify(failure)}`).not.toContain(SECRET);
    }
    expect(sent.apiCalls).toBe(2);
  });

  it.each([
    [answer(429, NEW_SHAPE, { 'retry-after': '0' }), /got 429 \(Too many requests\)/],
    [answer(200, NEW_SHAPE), /got 429/],
    [answer(503, 'busy'), /got 503/],
    [{ status: 200, body: '<html>Sign in</html>', headers: { 'content-type': 'text/html' } }, /got 200/],
    [{ cutAfter: 0 }, /got (UND_ERR_SOCKET|ECONNRESET)/],
  ])('is tried again where it may pass: %j', async (odd, message) => {
    let calls = 0;
    const { part, args, sent } = await serve({ onApiRequest: () => (calls++ < 2 ? odd : undefined) });
    expect(await part(args)).toMatchObject({ size: 1000 });
    expect(sent.apiCalls).toBe(3);
    calls = Number.NEGATIVE_INFINITY;
    const failure = await failureOf(part(args, 'train.zip.001.other'));
    expect(failure.nonRetryable).toBeFalsy();
    expect(failure.message).toMatch(message);
  });

  it('that asks for a long wait gives the slot back for that long', async () => {
    const { run, args } = await serve({ onApiRequest: () => answer(429, NEW_SHAPE, { 'retry-after': '90' }) });
    expect(await failureOf(run('listFiles', args))).toMatchObject({ nonRetryable: false, nextRetryDelay: 90_000 });
  });

  it('that comes for want of credentials says where to put them', async () => {
    services.env = { HOME: services.scratch, RETINOPATHY_KAGGLE_HOSTS: '127.0.0.1' };
    const { run, args } = await serve();
    expect((await failureOf(run('listFiles', args))).message).toMatch(/put it into KAGGLE_API_TOKEN/);
  });
});

describe('credentials', () => {
  const home = async (files: Record<string, string>, mode = 0o600) => {
    await mkdir(join(services.scratch, '.kaggle'), { recursive: true });
    for (const [name, text] of Object.entries(files)) {
      const path = join(services.scratch, '.kaggle', name);
      await writeFile(path, text);
      await chmod(path, mode);
    }
  };
  const basic = (user: string, key: string) => `Basic ${Buffer.from(`${user}:${key}`).toString('base64')}`;
  const find = async (env: NodeJS.ProcessEnv = {}) => findCredentials({ HOME: services.scratch, ...env });

  it('are found in Kaggle’s own order', async () => {
    expect((await find()).authorization).toBeNull();
    await home({ 'kaggle.json': '{"username":"me","key":"json"}' });
    expect((await find()).authorization).toBe(basic('me', 'json'));
    const env = { KAGGLE_USERNAME: 'you', KAGGLE_KEY: 'env' };
    expect((await find(env)).authorization).toBe(basic('you', 'env'));
    await home({ 'access_token.txt': 'second\n' });
    expect((await find(env)).authorization).toBe('Bearer second');
    await home({ access_token: 'first\n' });
    expect((await find(env)).authorization).toBe('Bearer first');
    expect((await find({ ...env, KAGGLE_API_TOKEN: 'direct' })).authorization).toBe('Bearer direct');
    const path = join(services.scratch, '.kaggle', 'access_token.txt');
    expect((await find({ ...env, KAGGLE_API_TOKEN: path })).authorization).toBe('Bearer second');
  });

  it('of the newer kind are sent as such wherever they are', async () => {
    await home({ 'kaggle.json': `{"username":"me","key":"${SECRET}"}` });
    expect((await find()).authorization).toBe(`Bearer ${SECRET}`);
    expect((await find({ KAGGLE_USERNAME: 'me', KAGGLE_KEY: SECRET })).authorization).toBe(`Bearer ${SECRET}`);
  });

  it('that others can read are warned of; broken ones are an error without their text', async () => {
    await home({ 'kaggle.json': '{"username":"me","key":"x"}' }, 0o644);
    expect((await find()).warnings).toEqual([expect.stringMatching(/Others .* can read .*kaggle\.json: chmod 600/)]);
    await home({ 'kaggle.json': `{"key": ${SECRET}` });
    const failure = await failureOf(find());
    expect(failure).toMatchObject({ nonRetryable: true, type: 'AccessDenied' });
    expect(failure.message).not.toContain(SECRET);
    expect((await failureOf(find({ KAGGLE_API_TOKEN: '/no/such/file' }))).message).toMatch(
      /^Expected KAGGLE_API_TOKEN/,
    );
  });

  it('go to Kaggle and to hosts that the environment names, by TLS but on loopback, and to no other', () => {
    const may = (url: string, hosts = 'mirror.example:8080, other.example, localhost, 127.0.0.1:1234, [::1]') =>
      mayReceiveCredentials(new URL(url), { RETINOPATHY_KAGGLE_HOSTS: hosts });
    for (const url of [
      'https://api.kaggle.com',
      'https://www.kaggle.com/x',
      'http://127.0.0.1:1234',
      'http://localhost:1',
      'http://[::1]:1',
      'https://mirror.example:8080',
      'https://other.example',
    ]) {
      expect([url, may(url)]).toEqual([url, true]);
    }
    for (const url of [
      'http://127.0.0.1:1235',
      'https://127.0.0.2',
      'http://mirror.example:8080',
      'http://other.example',
      'http://api.kaggle.com',
      'https://kaggle.com.example',
      'https://notkaggle.com',
      'https://mirror.example',
      'https://example',
      'http://127.0.0.1.example',
    ]) {
      expect([url, may(url)]).toEqual([url, false]);
    }
    expect(may('https://example', '')).toBe(false);
  });

  it('are neither written in the address of a source nor repeated from it', async () => {
    const failure = await failureOf(
      activitiesOn(services).run('listFiles', argsFor(`https://me:${SECRET}@example.com`)),
    );
    expect(failure).toMatchObject({ nonRetryable: true, type: 'BadInput' });
    expect(failure.message).not.toContain(SECRET);
  });
});
