/**
 * A Kaggle-compatible server on loopback: the same calls, redirects, signed addresses and errors, so that the download is the
 * real one. It serves whatever list of files it is given.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { etagOf, isStoragePath, LAUNCH_DATE, type ServedFile, serveObject, signedAddresses } from './kaggle-storage.ts';

export type { ServedFile } from './kaggle-storage.ts';

/** What a test may have the server do instead of answering as it should. */
export interface Misbehaviour {
  status?: number;
  headers?: Record<string, string>;
  body?: string;
  /** Cuts the connection after that many bytes of body; 0 before the first. */
  cutAfter?: number;
}

export interface KaggleServerOptions {
  /** Competition the files belong to; any other is a 404. null answers for any name. */
  competition: string | null;
  /** Asked at each request, so that a file may change. */
  files: readonly ServedFile[] | (() => readonly ServedFile[]);
  /** What a client must show, as a Bearer token or as the key of a user; null lets everybody in. */
  token: string | null;
  /** Seconds that a signed address is good for. Default: three days, as seen at Kaggle. */
  addressSeconds?: number;
  onApiRequest?: (call: { method: string; body: Record<string, unknown> }) => Misbehaviour | undefined;
  onStorageRequest?: (request: { name: string; range: string | undefined; etag: string }) => Misbehaviour | undefined;
}

export interface KaggleServer {
  /** `http://127.0.0.1:PORT` */
  url: string;
  /** What was asked and sent so far. */
  served: { apiCalls: number; storageRequests: number; bodyBytes: number };
  close(): Promise<void>;
}

interface Answer {
  status: number;
  headers?: Record<string, string>;
  json?: unknown;
}

const THREE_DAYS = 3 * 24 * 3600;
const DEFAULT_PAGE = 20;
const MAX_BODY = 64 << 10;

const fail = (status: number, message: string): Answer => ({ status, json: { code: status, message } });

/** Starts the server on a free port of loopback. */
export async function startKaggleServer(options: KaggleServerOptions): Promise<KaggleServer> {
  const addresses = signedAddresses(options.competition ?? 'any');
  const served = { apiCalls: 0, storageRequests: 0, bodyBytes: 0 };
  const files = () => (typeof options.files === 'function' ? options.files() : options.files);

  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy());
  });
  server.listen(0, '127.0.0.1');
  await new Promise((resolve, reject) => server.once('listening', resolve).once('error', reject));
  const { port } = server.address() as AddressInfo;

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // A client that uses the server as its proxy sends the whole address.
    const url = new URL(request.url ?? '/', `http://${request.headers.host ?? 'localhost'}`);
    if (isStoragePath(url.pathname)) return answerStorage(url, request, response);
    served.apiCalls += 1;
    const body = request.method === 'POST' ? await readJson(request) : Object.fromEntries(url.searchParams);
    const call = apiCall(request.method ?? 'GET', url.pathname, body);
    const odd = call && options.onApiRequest?.(call);
    if (odd?.cutAfter !== undefined) response.destroy();
    else if (odd) response.writeHead(odd.status ?? 200, odd.headers).end(odd.body);
    else sendJson(response, call ? answerApi(call, request, url) : fail(404, 'Not Found'));
  }

  function answerApi(call: ApiCall, request: IncomingMessage, url: URL): Answer {
    if (!authorized(request.headers.authorization, options.token)) return fail(401, 'Unauthorized');
    if (call.method === 'IntrospectToken') {
      const active = options.token === null || call.body.token === options.token;
      return active ? { status: 200, json: { active, username: 'reader' } } : fail(401, 'Unauthorized');
    }
    if (options.competition !== null && call.body.competitionName !== options.competition)
      return fail(404, 'Not Found');
    if (call.method === 'ListDataFiles') return listPage(files(), call.body);
    const file = files().find(({ name }) => name === call.body.fileName);
    if (!file) return fail(404, 'Not Found');
    // The storage has another host than the API, as at Kaggle: a client must not carry its credentials across.
    const host = url.hostname === '127.0.0.1' ? 'localhost' : '127.0.0.1';
    const location = addresses.sign(`http://${host}:${port}`, file, options.addressSeconds ?? THREE_DAYS);
    return { status: 302, headers: { Location: location, 'Content-Length': '0' } };
  }

  async function answerStorage(url: URL, request: IncomingMessage, response: ServerResponse): Promise<void> {
    served.storageRequests += 1;
    const known = addresses.verify(url);
    if (!('name' in known)) return sendStorageError(response, known.status, known.code, known.message);
    const file = files().find(({ name }) => name === known.name);
    if (!file) return sendStorageError(response, 404, 'NoSuchKey', 'The specified key does not exist.');
    if (request.headers.authorization !== undefined || request.method !== 'GET') {
      return sendStorageError(response, 400, 'InvalidArgument', 'Expected a GET without Authorization.');
    }
    const odd = options.onStorageRequest?.({ name: known.name, range: request.headers.range, etag: etagOf(file) });
    if (odd && odd.cutAfter === undefined) {
      response.writeHead(odd.status ?? 200, odd.headers).end(odd.body);
      return;
    }
    let left = odd?.cutAfter ?? Number.POSITIVE_INFINITY;
    await serveObject(file, request.headers, response, length => {
      const allowed = Math.min(length, left);
      left -= allowed;
      served.bodyBytes += allowed;
      return allowed;
    });
  }

  return {
    url: `http://127.0.0.1:${port}`,
    served,
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

interface ApiCall {
  method: 'ListDataFiles' | 'DownloadDataFile' | 'IntrospectToken';
  body: Record<string, unknown>;
}

/** The call behind an address of either API: RPC by POST, or the older REST by GET. */
function apiCall(verb: string, path: string, body: Record<string, unknown>): ApiCall | undefined {
  if (verb === 'POST') {
    const method =
      /^(?:\/api)?\/v1\/(?:competitions\.CompetitionApiService\/(ListDataFiles|DownloadDataFile)|security\.OAuthService\/(IntrospectToken))$/.exec(
        path,
      );
    return method ? { method: (method[1] ?? method[2]) as ApiCall['method'], body } : undefined;
  }
  const rest = /^\/api\/v1\/competitions\/data\/(list|download)\/([^/]+)(?:\/([^/]+))?$/.exec(path);
  if (verb !== 'GET' || !rest) return undefined;
  const [, what, competitionName, fileName] = rest.map(part => part && decodeURIComponent(part));
  return {
    method: what === 'list' ? 'ListDataFiles' : 'DownloadDataFile',
    body: { ...body, competitionName, fileName },
  };
}

function listPage(files: readonly ServedFile[], body: Record<string, unknown>): Answer {
  const start = Number(body.pageToken || 0);
  const end = start + (Number(body.pageSize) || DEFAULT_PAGE);
  return {
    status: 200,
    json: {
      files: files.slice(start, end).map(({ name, size, lastModified }) => ({
        ref: name,
        name,
        totalBytes: size,
        creationDate: (lastModified ?? LAUNCH_DATE).toISOString(),
      })),
      nextPageToken: end < files.length ? String(end) : '',
    },
  };
}

function authorized(header: string | undefined, token: string | null): boolean {
  if (token === null || header === `Bearer ${token}`) return true;
  const basic = /^Basic (.+)$/.exec(header ?? '')?.[1];
  return basic !== undefined && Buffer.from(basic, 'base64').toString().split(':')[1] === token;
}

async function readJson(request: IncomingMessage): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_BODY) throw new Error(`Expected a body of at most ${MAX_BODY} bytes`);
    chunks.push(chunk);
  }
  return length === 0 ? {} : (JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>);
}

function sendJson(response: ServerResponse, { status, headers, json }: Answer): void {
  if (json === undefined) response.writeHead(status, headers).end();
  else response.writeHead(status, { ...headers, 'Content-Type': 'application/json' }).end(JSON.stringify(json));
}

function sendStorageError(response: ServerResponse, status: number, code: string, message: string): void {
  response
    .writeHead(status, { 'Content-Type': 'application/xml; charset=UTF-8' })
    .end(`<?xml version='1.0' encoding='UTF-8'?><Error><Code>${code}</Code><Message>${message}</Message></Error>`);
}
