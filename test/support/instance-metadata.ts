/** EC2's instance metadata service, version 2, for tests: on loopback, with what AWS documents of tokens, notices and credentials. */
import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface FakeMetadata {
  /** For AWS_EC2_METADATA_SERVICE_ENDPOINT. */
  url: string;
  /** Text by path under `/latest/meta-data/`; what is not there is answered with 404. */
  data: Map<string, string>;
  /** `PUT /latest/api/token 200` … in the order they came. */
  asked: string[];
  /** Answers nothing more, while connections stay open. */
  silent: boolean;
  /** Makes all tokens worthless, as a stop of the machine does. */
  forgetTokens(): void;
  close(): Promise<void>;
}

const TOKEN_PATH = '/latest/api/token';
const DATA = '/latest/meta-data/';
const LONGEST_TTL = 21_600;

export async function startFakeMetadata(): Promise<FakeMetadata> {
  const tokens = new Map<string, number>();
  const data = new Map<string, string>();
  const asked: string[] = [];

  function answer(request: IncomingMessage, response: ServerResponse): number {
    const { method, headers, url = '' } = request;
    const reply = (status: number, body = '', more: Record<string, string> = {}) => {
      response.writeHead(status, { 'content-type': 'text/plain', server: 'EC2ws', ...more }).end(body);
      return status;
    };
    if (url === TOKEN_PATH) {
      if (method !== 'PUT') return reply(405);
      // A request that came through a proxy gets no token.
      if (headers['x-forwarded-for'] !== undefined) return reply(403);
      const text = String(headers['x-aws-ec2-metadata-token-ttl-seconds'] ?? '');
      const ttl = Number(text);
      if (!/^\d+$/.test(text) || ttl < 1 || ttl > LONGEST_TTL) return reply(400);
      const token = randomBytes(42).toString('base64');
      tokens.set(token, Date.now() + ttl * 1000);
      return reply(200, token, { 'x-aws-ec2-metadata-token-ttl-seconds': text });
    }
    if (method !== 'GET') return reply(405);
    const endsAt = tokens.get(String(headers['x-aws-ec2-metadata-token'] ?? ''));
    if (endsAt === undefined || endsAt <= Date.now()) return reply(401);
    const body = url.startsWith(DATA) ? data.get(url.slice(DATA.length)) : undefined;
    return body === undefined ? reply(404) : reply(200, body);
  }

  const fake: FakeMetadata = {
    url: '',
    data,
    asked,
    silent: false,
    forgetTokens: () => tokens.clear(),
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  const server = createServer((request, response) => {
    const status = fake.silent ? 'nothing' : answer(request, response);
    asked.push(`${request.method} ${request.url} ${status}`);
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  fake.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return fake;
}

/** What the service says `seconds` before it takes the machine. */
export function spotNotice(seconds: number, action = 'terminate'): string {
  return JSON.stringify({ action, time: new Date(Date.now() + seconds * 1000).toISOString().replace(/\.\d+Z$/, 'Z') });
}
