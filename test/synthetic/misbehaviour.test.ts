import { createHash, randomBytes } from 'node:crypto';
import { request as nodeRequest } from 'node:http';
import { connect } from 'node:net';
import { crc32c } from '@node-rs/crc32';
import { Agent, request } from 'undici';
import { afterEach, describe, expect, it } from 'vitest';
import {
  type KaggleServer,
  type KaggleServerOptions,
  type Misbehaviour,
  type ServedFile,
  startKaggleServer,
} from '../../synthetic/kaggle/server.ts';
import { expired, refusal } from '../../synthetic/kaggle/server-faults.ts';
import { busy, errorUnder200, webPage } from '../support/odd-answers.ts';

const bytes = randomBytes(3 << 20);
const file: ServedFile = {
  name: 'train.zip.001',
  size: bytes.length,
  crc32c: crc32c(bytes),
  md5: createHash('md5').update(bytes).digest(),
  read: async (offset, length) => bytes.subarray(offset, offset + length),
};

const SERVICE = '/v1/competitions.CompetitionApiService';
let server: KaggleServer;
const agents: Agent[] = [];
afterEach(async () => {
  await server.close();
  await Promise.all(agents.splice(0).map(agent => agent.destroy()));
});

const client = () => {
  const agent = new Agent({ connections: 1 });
  agents.push(agent);
  return agent;
};

/** The signed address of the file at a server with these options. */
async function serve(options: Partial<KaggleServerOptions> = {}): Promise<URL> {
  server = await startKaggleServer({ competition: null, token: null, files: [file], ...options });
  const body = JSON.stringify({ competitionName: 'eyes', fileName: file.name });
  const answer = await request(`${server.url}${SERVICE}/DownloadDataFile`, { method: 'POST', body });
  return new URL(answer.headers.location as string);
}

/** What comes for a range of the misbehaving storage. */
async function get(odd: Misbehaviour, headers: Record<string, string> = RANGE) {
  const answer = await request(await serve({ onStorageRequest: () => odd }), { headers, dispatcher: client() });
  const body = Buffer.from(await answer.body.arrayBuffer());
  return { status: answer.statusCode, headers: answer.headers, body };
}

/** All that comes over a bare connection for a range, and how it ends. */
function listen(
  address: URL,
  method = 'GET',
): Promise<{ head: string; body: Buffer; ending: 'FIN' | 'RST' | 'silence' }> {
  return new Promise(resolve => {
    const chunks: Buffer[] = [];
    const socket = connect(Number(address.port), address.hostname, () =>
      socket.write(
        `${method} ${address.pathname}${address.search} HTTP/1.1\r\nhost: ${address.host}\r\nrange: ${RANGE.range}\r\n\r\n`,
      ),
    );
    const end = (ending: 'FIN' | 'RST' | 'silence') => {
      socket.destroy();
      const all = Buffer.concat(chunks);
      const start = all.indexOf('\r\n\r\n') + 4;
      if (all.length === 0) resolve({ head: '', body: all, ending });
      else resolve({ head: all.subarray(0, start).toString(), body: all.subarray(start), ending });
    };
    socket
      .setTimeout(150)
      .on('data', chunk => chunks.push(chunk))
      .once('end', () => end('FIN'))
      .once('error', () => end('RST'))
      .once('timeout', () => end('silence'));
  });
}
const RANGE = { range: 'bytes=1000-2000999' };
const right = bytes.subarray(1000, 2001000);

describe('a body', () => {
  it.each([
    ['cut', { cutAfter: 1_500_000 }, 'FIN'],
    ['reset', { resetAfter: 1_500_000 }, 'RST'],
    ['stalled', { stallAfter: 1_500_000 }, 'silence'],
  ])('that is %s begins right', async (_, odd, wanted) => {
    const { head, body, ending } = await listen(await serve({ onStorageRequest: () => odd }));
    if (wanted === 'RST') {
      // What is on the way when a reset comes is lost, and Node tells one that comes together with data as an end.
      expect(['RST', 'FIN']).toContain(ending);
      expect(body.length).toBeLessThanOrEqual(1_500_000);
    } else {
      expect(ending).toBe(wanted);
      expect(body.length).toBe(1_500_000);
    }
    if (body.length > 0) expect(head).toMatch(/^HTTP\/1\.1 206 .*\r\ncontent-length: 2000000\r\n/is);
    expect(body.equals(right.subarray(0, body.length))).toBe(true);
    expect(server.served.bodyBytes).toBe(1_500_000);
  });

  it.each([
    ['cut', { cutAfter: 0 }, 'FIN'],
    ['reset', { resetAfter: 0 }, 'RST'],
    ['stalled', { stallAfter: 0 }, 'silence'],
  ])('that is %s at 0 never begins, at the storage or at the API', async (_, odd, ending) => {
    const address = await serve({ onStorageRequest: () => odd });
    expect(await listen(address)).toEqual({ head: '', body: Buffer.alloc(0), ending });
    expect(server.served.bodyBytes).toBe(0);
    await server.close();
    server = await startKaggleServer({ competition: null, token: null, files: [file], onApiRequest: () => odd });
    const list = new URL(`${server.url}${SERVICE}/ListDataFiles`);
    expect(await listen(list, 'POST')).toEqual({ head: '', body: Buffer.alloc(0), ending });
  });

  it('may differ in one bit', async () => {
    const { body } = await get({ flipAt: 1_234_567 });
    const differing = [...body.keys()].filter(n => body[n] !== right[n]);
    expect(differing).toEqual([1_234_567]);
    expect(body[1_234_567]! ^ right[1_234_567]!).toBe(0x40);
  });
});

describe('a range', () => {
  it('may be overlooked', async () => {
    const { status, headers, body } = await get({ ignoreRange: true });
    expect(status).toBe(200);
    expect(headers['content-range']).toBeUndefined();
    expect(body.equals(bytes)).toBe(true);
  });

  it('may come shorter, and say so', async () => {
    const { status, headers, body } = await get({ shortenTo: 500 });
    expect([status, headers['content-range']]).toEqual([206, `bytes 1000-1499/${bytes.length}`]);
    expect(body.equals(right.subarray(0, 500))).toBe(true);
  });

  it('may come under a wrong Content-Range', async () => {
    const { headers, body } = await get({ rangeOffBy: 7 });
    expect(headers['content-range']).toBe(`bytes 1007-2001006/${bytes.length}`);
    expect(body.equals(right)).toBe(true);
  });

  it('may come from another version although If-Range named this one', async () => {
    const { status, headers } = await get({ etag: '"another"' }, { range: 'bytes=0-9', 'if-range': '"this"' });
    expect({ status, etag: headers.etag }).toEqual({ status: 206, etag: '"another"' });
  });
});

describe('an answer', () => {
  it.each([
    ['busy', busy(503), 503, undefined, /"UNAVAILABLE"/],
    ['busy for seconds', busy(429, 7), 429, '7', /"RESOURCE_EXHAUSTED"/],
    ['busy until a moment', busy(429, new Date(0)), 429, 'Thu, 01 Jan 1970 00:00:00 GMT', /429/],
    ['refused', refusal(403, 'no'), 403, undefined, /"no"/],
    ['an error under 200', errorUnder200(403, 'no'), 200, undefined, /403/],
    ['a web page', webPage(), 200, undefined, /<html>/],
    ['expired, as of today', expired('v4'), 400, undefined, /ExpiredToken/],
    ['expired, as of old', expired('v2'), 403, undefined, /ExpiredToken/],
  ])('may be %s', async (_, odd, status, retryAfter, body) => {
    const got = await get(odd);
    expect(got.status).toBe(status);
    expect(got.headers['retry-after']).toBe(retryAfter);
    expect(got.body.toString()).toMatch(body);
  });
});

describe('a limited connection', () => {
  /** Milliseconds from the first byte at which each tenth of a range has come. */
  async function tenths(address: URL, size: number, dispatcher: Agent): Promise<number[]> {
    const { body } = await request(address, { headers: { range: `bytes=0-${size - 1}` }, dispatcher });
    const start = performance.now();
    const marks: number[] = [];
    let received = 0;
    for await (const chunk of body as AsyncIterable<Buffer>) {
      received += chunk.length;
      while (marks.length < 10 && received >= ((marks.length + 1) * size) / 10) marks.push(performance.now() - start);
    }
    return marks;
  }

  it('carries its bytes evenly and no faster, over several answers, too', async () => {
    const address = await serve({ bytesPerSecond: 2_000_000 });
    const one = client();
    const start = performance.now();
    const marks = await tenths(address, 1_000_000, one);
    await tenths(address, 200_000, one);
    const seconds = (performance.now() - start) / 1000;
    // The first piece of all need not wait.
    expect(seconds).toBeGreaterThan(0.55);
    // Half of a range takes about half of its time: no bursts.
    expect(marks[4]! / marks[9]!).toBeGreaterThan(0.2);
    expect(marks[4]! / marks[9]!).toBeLessThan(0.8);
  });

  it('slows no other one', async () => {
    const address = await serve({
      onStorageRequest: ({ range }) => (range === 'bytes=0-99999' ? { bytesPerSecond: 200_000 } : {}),
    });
    const slow = tenths(address, 100_000, client());
    const fast = tenths(address, 2_000_000, client());
    expect(await Promise.race([slow.then(() => 'slow'), fast.then(() => 'fast')])).toBe('fast');
    expect((await slow)[9]).toBeGreaterThan(400);
  });
});

describe('the storage', () => {
  it('answers HEAD with everything but the body', async () => {
    const address = await serve();
    const { statusCode, headers, body } = await request(address, { method: 'HEAD' });
    expect([statusCode, headers['content-length'], (await body.arrayBuffer()).byteLength]).toEqual([
      200,
      String(bytes.length),
      0,
    ]);
    expect(headers.etag).toMatch(/^"/);
    expect(server.served.bodyBytes).toBe(0);
  });

  it('states its checksums in one line or in two', async () => {
    const wanted = [/^crc32c=[A-Za-z0-9+/]{6}==$/, /^md5=[A-Za-z0-9+/]{22}==$/].map(line =>
      expect.stringMatching(line),
    );
    const joined = await request(await serve(), { method: 'HEAD' });
    expect(String(joined.headers['x-goog-hash']).split(',')).toEqual(wanted);
    await server.close();
    const apart = await request(await serve({ hashLines: 'apart' }), { method: 'HEAD' });
    expect(apart.headers['x-goog-hash']).toEqual(wanted);
  });

  it('signs in the older form, too', async () => {
    const address = await serve({ addressForm: 'v2' });
    expect([...address.searchParams.keys()].sort()).toEqual(['Expires', 'GoogleAccessId', 'Signature']);
    expect((await request(address, { method: 'HEAD' })).statusCode).toBe(200);
    address.searchParams.set('Expires', '9999999999');
    expect((await request(address)).statusCode).toBe(403);
    await server.close();
    const over = await request(await serve({ addressForm: 'v2', addressSeconds: 0 }));
    expect([over.statusCode, await over.body.text()]).toEqual([403, expect.stringContaining('ExpiredToken')]);
  });

  it('serves the end of a file, and finds its tag in a list of tags', async () => {
    const address = await serve();
    const end = await request(address, { headers: { range: 'bytes=-100' } });
    expect(Buffer.from(await end.body.arrayBuffer()).equals(bytes.subarray(-100))).toBe(true);
    const condition = `"x", W/${end.headers.etag}`;
    const none = await request(address, { headers: { 'if-none-match': condition } });
    expect([none.statusCode, (await none.body.arrayBuffer()).byteLength]).toEqual([304, 0]);
  });

  it('stops reading a file whose client has left', async () => {
    let read = 0;
    const endless: ServedFile = {
      ...file,
      size: 1 << 30,
      async read(_, length) {
        read += length;
        return bytes.subarray(0, length);
      },
    };
    const address = await serve({ files: [endless] });
    await new Promise<void>(resolve => {
      const asking = nodeRequest(address, answer => answer.once('data', () => asking.destroy()));
      asking.once('close', () => resolve()).on('error', () => {});
      asking.end();
    });
    await server.close();
    expect(read).toBeLessThan(64 << 20);
  });
});
