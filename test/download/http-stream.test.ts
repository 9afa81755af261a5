/** Large bodies, against servers that say exactly what a test has them say. */
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { createHttp } from '../../activities/download/http.ts';
import { runChild } from '../../lib/process/child-process.ts';
import { noise } from './world.ts';

const MIB = 1 << 20;
const servers: Server[] = [];
const sockets = new Set<Socket>();
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  for (const server of servers.splice(0)) await new Promise(resolve => server.close(resolve));
});

/** Calls `answer` for each request that has come whole, and with its number. */
async function serve(answer: (socket: Socket, request: string, n: number) => unknown): Promise<URL> {
  return listen(createServer(), answer, 'http');
}

async function listen(server: Server, answer: (socket: Socket, request: string, n: number) => unknown, scheme: string) {
  let count = 0;
  server.on(scheme === 'https' ? 'secureConnection' : 'connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    let text = '';
    socket.on('data', data => {
      text += data.toString('latin1');
      for (let end = text.indexOf('\r\n\r\n'); end !== -1; end = text.indexOf('\r\n\r\n')) {
        const request = text.slice(0, end);
        text = text.slice(end + 4);
        void Promise.resolve(answer(socket, request, count++)).catch(() => socket.destroy());
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  servers.push(server);
  return new URL(`${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}/a/b?c=d`);
}

type GetRange = ReturnType<typeof http>;
const http = (silenceMs = 5_000) => {
  const { stream } = createHttp({}, silenceMs);
  return (url: URL, headers: Record<string, string>, signal: AbortSignal) => stream(url, { headers, signal });
};
const never = new AbortController().signal;
const headFor = (length: number, more = '') =>
  `HTTP/1.1 206 Partial Content\r\nContent-Length: ${length}\r\n${more}\r\n`;

/** The body, each piece copied; after each piece `between` is waited for. */
async function read(get: GetRange, url: URL, between: () => Promise<unknown> = async () => {}, signal = never) {
  const answer = await get(url, {}, signal);
  const pieces: Buffer[] = [];
  for await (const piece of answer.body) {
    const before = Buffer.from(piece);
    await between();
    // Nobody may write into a piece while it is being used.
    expect(piece.equals(before)).toBe(true);
    pieces.push(before);
  }
  return { ...answer, bytes: Buffer.concat(pieces) };
}

/** Writes and waits until the system has taken it. */
const send = (socket: Socket, bytes: Buffer | string) =>
  new Promise<void>(resolve => socket.write(bytes, () => resolve()));
const turn = () => new Promise(resolve => setImmediate(resolve));

describe('a range', () => {
  it('comes whole, however the server cuts it and however slow the reader is', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 3 * MIB }),
        fc.array(fc.integer({ min: 1, max: 300_000 }), { minLength: 1, maxLength: 20 }),
        fc.integer({ min: 0, max: 30 }),
        async (length, cuts, waits) => {
          const bytes = noise(length);
          const url = await serve(async socket => {
            const whole = Buffer.concat([Buffer.from(headFor(length)), bytes]);
            for (let at = 0, n = 0; at < whole.length; n++) {
              // The head byte by byte if need be, and the body in no more than some hundred pieces.
              const end = at + Math.max(cuts[n % cuts.length]!, at < 100 ? 1 : Math.ceil(length / 50));
              await send(socket, whole.subarray(at, end));
              await turn();
              at = end;
            }
          });
          const answer = await read(http(), url, async () => {
            for (let n = 0; n < waits; n++) await turn();
          });
          expect(answer.statusCode).toBe(206);
          expect(answer.bytes.equals(bytes)).toBe(true);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('stops coming while nobody takes it: memory is a few buffers, whatever its length', async () => {
    const bytes = noise(64 * MIB);
    let sent = 0;
    const url = await serve(async socket => {
      await send(socket, headFor(bytes.length));
      for (let at = 0; at < bytes.length; at += MIB) {
        await send(socket, bytes.subarray(at, at + MIB));
        sent += MIB;
      }
    });
    const answer = await http()(url, {}, never);
    const pieces = answer.body[Symbol.asyncIterator]();
    const first = Buffer.from((await pieces.next()).value!);
    // The system's own buffers fill, and then the server stands still.
    for (let before = -1; before !== sent; ) {
      before = sent;
      await new Promise(resolve => setTimeout(resolve, 200));
    }
    expect(sent).toBeLessThan(48 * MIB);
    const rest: Buffer[] = [first];
    for (let next = await pieces.next(); !next.done; next = await pieces.next()) rest.push(Buffer.from(next.value));
    expect(Buffer.concat(rest).equals(bytes)).toBe(true);
  });

  it('is passed on as it comes where it comes slowly', async () => {
    const parts = [noise(1000), noise(1000), noise(1000)];
    const seen: Buffer[] = [];
    let got = () => {};
    const url = await serve(async socket => {
      await send(socket, headFor(3000));
      for (const part of parts) {
        const passedOn = new Promise<void>(resolve => {
          got = resolve;
        });
        await send(socket, part);
        // The next ones come only when this one has arrived at the reader.
        if (part !== parts.at(-1)) await passedOn;
      }
    });
    const answer = await http()(url, {}, never);
    for await (const piece of answer.body) {
      seen.push(Buffer.from(piece));
      got();
    }
    expect(Buffer.concat(seen).equals(Buffer.concat(parts))).toBe(true);
  });

  it('asks for what it is told to, and uses its connection again', async () => {
    const requests: string[] = [];
    const url = await serve((socket, request) => {
      requests.push(request);
      socket.write(`${headFor(5)}12345`);
    });
    const get = http();
    for (let n = 0; n < 3; n++) {
      const { body } = await get(url, { range: 'bytes=0-4', 'if-range': '"tag"' }, never);
      for await (const piece of body) expect(String(piece)).toBe('12345');
    }
    expect(requests).toHaveLength(3);
    const [head, ...fields] = requests[0]!.split('\r\n');
    expect(head).toBe('GET /a/b?c=d HTTP/1.1');
    expect(fields.sort()).toEqual([
      'connection: keep-alive',
      `host: ${url.host}`,
      'if-range: "tag"',
      'range: bytes=0-4',
    ]);
    expect(sockets.size - [...sockets].filter(socket => socket.destroyed).length).toBe(1);
  });
});

describe('a server that does not do what it should', () => {
  const failure = async (work: Promise<unknown>) => {
    const error = await work.then(
      () => undefined,
      caught => caught,
    );
    // A failure before the answer is reworded; one within the body comes as it is.
    const { code, message } = (error ?? {}) as NodeJS.ErrnoException;
    return code ?? /got (\w+)/.exec(message ?? '')?.[1];
  };

  it.each([
    ['hangs up before its answer', (socket: Socket) => socket.destroy(), 'UND_ERR_SOCKET'],
    ['hangs up in the middle', (socket: Socket) => socket.end(`${headFor(10)}12345`), 'UND_ERR_SOCKET'],
    ['says nothing', () => {}, 'UND_ERR_HEADERS_TIMEOUT'],
    ['falls silent', (socket: Socket) => socket.write(`${headFor(10)}12345`), 'UND_ERR_BODY_TIMEOUT'],
    [
      'never ends its head',
      (socket: Socket) => socket.write(`HTTP/1.1 206 x\r\n${'a: b\r\n'.repeat(100_000)}`),
      'UND_ERR_HEADERS_OVERFLOW',
    ],
  ])('%s', async (_, answer, code) => {
    const url = await serve(answer);
    expect(await failure(read(http(300), url))).toBe(code);
  });

  it('is none at all', async () => {
    const url = await serve(() => {});
    for (const server of servers.splice(0)) await new Promise(resolve => server.close(resolve));
    expect(await failure(read(http(), url))).toBe('ECONNREFUSED');
  });

  it('passes on what had come before it hung up', async () => {
    const url = await serve(socket => socket.end(`${headFor(10)}12345`));
    const { body } = await http()(url, {}, never);
    const seen: string[] = [];
    const reading = (async () => {
      for await (const piece of body) seen.push(String(piece));
    })();
    expect(await failure(reading)).toBe('UND_ERR_SOCKET');
    expect(seen.join('')).toBe('12345');
  });

  it('sends more than it says: the rest belongs to no answer', async () => {
    const url = await serve(socket => socket.write(`${headFor(3)}12345`));
    expect(String((await read(http(300), url)).bytes)).toBe('123');
  });

  it('states no length', async () => {
    const url = await serve(socket =>
      socket.end('HTTP/1.1 400 Bad Request\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n'),
    );
    const { statusCode, bytes } = await read(http(), url);
    expect({ statusCode, bytes: String(bytes) }).toEqual({ statusCode: 400, bytes: 'abc' });
  });

  it('closed a connection that was kept: the next request takes another', async () => {
    const url = await serve(async (socket, _, n) => {
      await send(socket, `${headFor(2)}ok`);
      if (n === 0) socket.end();
    });
    const get = http();
    expect(String((await read(get, url)).bytes)).toBe('ok');
    await new Promise<void>(resolve => {
      const look = () => ([...sockets].every(socket => socket.destroyed) ? resolve() : setTimeout(look, 10));
      look();
    });
    await turn();
    expect(String((await read(get, url)).bytes)).toBe('ok');
  });
});

it.each([0, 1, 2])('ends when it is told to, at moment %i', async moment => {
  const stop = new AbortController();
  const reason = new Error('enough');
  const url = await serve(async socket => {
    if (moment === 0) return stop.abort(reason);
    await send(socket, `${headFor(10)}12345`);
    if (moment === 1) stop.abort(reason);
  });
  const work = read(http(), url, async () => moment === 2 && stop.abort(reason), stop.signal);
  await expect(work).rejects.toBe(reason);
  await expect(http()(url, {}, stop.signal)).rejects.toBe(reason);
});

describe('over TLS', () => {
  it('comes whole from a server that this machine trusts, and not at all from another', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'retinopathy-tls-'));
    try {
      const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
      const made = await runChild([
        ...['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost'],
        ...['-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1', '-keyout', key, '-out', cert],
      ]);
      expect(made.code, made.tail.join('\n')).toBe(0);
      const bytes = noise(9 * MIB + 5);
      const server = createTlsServer({ key: await readFile(key), cert: await readFile(cert) });
      const url = await listen(
        server,
        socket => socket.write(Buffer.concat([Buffer.from(headFor(bytes.length)), bytes])),
        'https',
      );
      await expect(read(http(), url)).rejects.toThrow('got DEPTH_ZERO_SELF_SIGNED_CERT');
      const script = new URL('read-range.ts', import.meta.url).pathname;
      const exit = await runChild([process.execPath, '--import', 'tsx', script, url.href], {
        env: { ...process.env, NODE_EXTRA_CA_CERTS: cert },
      });
      const { createHash } = await import('node:crypto');
      expect(exit.tail.at(-1)).toBe(`${bytes.length} ${createHash('sha256').update(bytes).digest('hex')}`);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
