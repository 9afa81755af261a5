/** Stands between a client and an S3 server on loopback, passes everything on, and does harm where it is told to. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

export interface Asked {
  method: string;
  /** Without the query. */
  path: string;
  query: URLSearchParams;
  headers: IncomingMessage['headers'];
}

export type Harm =
  /** An answer in the server's place. */
  | { status: number; code: string; message?: string }
  /** The connection breaks behind so many bytes of the answer's body. */
  | { cutAnswerAfter: number }
  /** Nothing more comes behind so many bytes of the answer's body. */
  | { stallAnswerAfter: number }
  /** The connection breaks behind so many bytes of the request's body, on both sides. */
  | { cutRequestAfter: number }
  /** The server does what was asked, and its answer is lost. */
  | { loseAnswer: true }
  /** The server does not see a header of the request. */
  | { withoutHeader: string };

export interface S3Proxy {
  endpoint: string;
  /** Decides for each request; undefined lets it pass. */
  harm: (asked: Asked) => Harm | undefined | Promise<Harm | undefined>;
  /** Requests so far, `GET /bucket/key`. */
  readonly log: string[];
  /** Connections of clients that are open, and the most that ever were. */
  connections(): { open: number; most: number };
  close(): Promise<void>;
}

export async function startS3Proxy(to: string): Promise<S3Proxy> {
  const target = new URL(to);
  const sockets = new Set<Socket>();
  let most = 0;
  const proxy: S3Proxy = {
    endpoint: '',
    harm: () => undefined,
    log: [],
    connections: () => ({ open: sockets.size, most }),
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
  const server = createServer((incoming, answer) => {
    const { socket } = incoming;
    void pass(incoming, answer, socket).catch(() => socket.destroy());
  });
  server.on('connection', socket => {
    sockets.add(socket);
    most = Math.max(most, sockets.size);
    socket.on('error', () => {});
    socket.once('close', () => sockets.delete(socket));
  });

  async function pass(incoming: IncomingMessage, answer: ServerResponse, socket: Socket): Promise<void> {
    const { pathname: path, searchParams: query } = new URL(incoming.url!, to);
    const method = incoming.method!;
    proxy.log.push(`${method} ${path}`);
    const harm = await proxy.harm({ method, path, query, headers: incoming.headers });
    if (harm && 'status' in harm) {
      await drain(incoming);
      const { status, code, message = code } = harm;
      const xml = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`;
      answer.writeHead(status, { 'content-type': 'application/xml' });
      answer.end(method === 'HEAD' ? '' : xml);
      return;
    }
    // The host stays the one that the client has signed.
    const { headers } = incoming;
    if (harm && 'withoutHeader' in harm) delete headers[harm.withoutHeader];
    const onward = request(
      { host: target.hostname, port: target.port, method, path: incoming.url, headers, agent: false },
      async reply => {
        if (harm && 'loseAnswer' in harm) {
          await drain(reply);
          socket.destroy();
          return;
        }
        answer.writeHead(reply.statusCode!, reply.headers);
        const most =
          harm &&
          ('cutAnswerAfter' in harm
            ? harm.cutAnswerAfter
            : 'stallAnswerAfter' in harm
              ? harm.stallAnswerAfter
              : undefined);
        if (most === undefined) {
          reply.on('error', () => socket.destroy());
          reply.pipe(answer);
          return;
        }
        let sent = 0;
        answer.flushHeaders();
        for await (const chunk of reply as AsyncIterable<Buffer>) {
          answer.write(chunk.subarray(0, most - sent));
          sent += Math.min(chunk.length, most - sent);
          if (sent === most) break;
        }
        // What was written must be on its way before the connection breaks.
        if (harm && 'cutAnswerAfter' in harm) answer.write('', () => socket.destroySoon());
      },
    );
    onward.on('error', () => socket.destroy());
    answer.once('close', () => onward.destroy());
    if (!harm || !('cutRequestAfter' in harm)) {
      incoming.pipe(onward);
      return;
    }
    let received = 0;
    for await (const chunk of incoming as AsyncIterable<Buffer>) {
      received += chunk.length;
      onward.write(chunk);
      if (received >= harm.cutRequestAfter) break;
    }
    onward.destroy();
    socket.destroy();
  }

  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  proxy.endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return proxy;
}

async function drain(stream: IncomingMessage): Promise<void> {
  for await (const _ of stream);
}
