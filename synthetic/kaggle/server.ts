/**
 * A Kaggle-compatible server on loopback. It has the same calls, redirects, signed addresses and errors, so that the download code
 * is the real one. It serves any list of files.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { PIECE, sendBody } from './send-body.ts';
import { type BodyFaults, json, type Misbehaviour, type OwnAnswer, refusal, storageError } from './server-faults.ts';
import { isStoragePath, signedAddresses } from './signed-urls.ts';
import { etagOf, LAUNCH_DATE, type ServedFile, serveObject } from './storage.ts';
import { isUploadPath, SUBMISSION_CALLS, type Submission, type SubmissionCall, Submissions } from './submissions.ts';

export type { Misbehaviour } from './server-faults.ts';
export type { ServedFile } from './storage.ts';

export interface StorageRequest {
  name: string;
  /** Headers as received. */
  range: string | undefined;
  ifRange: string | undefined;
  /** The file's entity tag. */
  etag: string;
}

export interface KaggleServerOptions {
  /** Competition of the files; any other gets a 404. null accepts any name. */
  competition: string | null;
  /** Files to serve. A function is called at each request, so that a file may change. */
  files: readonly ServedFile[] | (() => readonly ServedFile[]);
  /** Secret that a client must send, as a Bearer token or as the key of a user; null accepts every client. */
  token: string | null;
  /** Key and certificate for HTTPS, both as PEM. Default: HTTP. */
  tls?: { key: string; cert: string };
  /** Lifetime of a signed address in seconds. Default: three days, as seen at Kaggle. */
  addressSeconds?: number;
  /** Form of the signed addresses: today's, or the one of 2018. Default: v4. */
  addressForm?: 'v4' | 'v2';
  /** Limit of each connection to the storage. Default: none. */
  bytesPerSecond?: number;
  /** Checksums in one `x-goog-hash` line or in one for each. Default: joined. */
  hashLines?: 'joined' | 'apart';
  /** Called at each call of the API; undefined sends the right response. */
  onApiRequest?: (call: ApiCall) => Misbehaviour | undefined;
  /** Called at each request of the storage with a valid address; undefined sends the right response. */
  onStorageRequest?: (request: StorageRequest) => Misbehaviour | undefined;
  /** Called at each upload of a submission; a response returned here is sent instead of accepting the upload. */
  onUpload?: () => OwnAnswer | undefined;
}

export interface KaggleServer {
  /** `http://127.0.0.1:PORT`, or `https:` */
  url: string;
  /** Counts of requests received and bytes sent so far. */
  served: { apiCalls: number; storageRequests: number; bodyBytes: number };
  /** Submissions received so far. */
  submissions: readonly Submission[];
  close(): Promise<void>;
}

const THREE_DAYS = 3 * 24 * 3600;
const DEFAULT_PAGE = 20;
const MAX_BODY = 64 << 10;
const MAX_UPLOAD = 64 << 20;

const ok = (content: unknown) => json(200, content);

/** Starts the server on a free port of loopback. */
export async function startKaggleServer(options: KaggleServerOptions): Promise<KaggleServer> {
  const addresses = signedAddresses(options.competition ?? 'any', options.addressForm ?? 'v4');
  const submissions = new Submissions();
  const served = { apiCalls: 0, storageRequests: 0, bodyBytes: 0 };
  const files = () => (typeof options.files === 'function' ? options.files() : options.files);

  const onRequest = (request: IncomingMessage, response: ServerResponse) =>
    void answer(request, response).catch(() => response.destroy());
  const { tls } = options;
  const scheme = tls ? 'https' : 'http';
  const server = tls
    ? createTlsServer({ highWaterMark: PIECE, ...tls }, onRequest)
    : createServer({ highWaterMark: PIECE }, onRequest);
  server.listen(0, '127.0.0.1');
  await new Promise((resolve, reject) => server.once('listening', resolve).once('error', reject));
  const { port } = server.address() as AddressInfo;

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // A client that uses the server as its proxy sends the whole address.
    const url = new URL(request.url ?? '/', `${scheme}://${request.headers.host ?? 'localhost'}`);
    if (isStoragePath(url.pathname)) return answerStorage(url, request, response);
    if (isUploadPath(url.pathname)) return answerUpload(url, request, response);
    served.apiCalls += 1;
    const body = request.method === 'POST' ? await readFields(request) : {};
    const call = apiCall(request.method ?? 'GET', url.pathname, body);
    const odd = (call && options.onApiRequest?.(call)) ?? {};
    const right = () => (call ? answerApi(call, request, url) : refusal(404, 'Not Found'));
    await sendAnswer(response, isOwn(odd) ? odd : right(), odd);
  }

  function answerApi(call: ApiCall, request: IncomingMessage, url: URL): OwnAnswer {
    if (!authorized(request.headers.authorization, options.token)) return refusal(401, 'Unauthorized');
    if (call.method === 'IntrospectToken') {
      const active = options.token === null || call.body.token === options.token;
      return active ? ok({ active, username: 'reader' }) : refusal(401, 'Unauthorized');
    }
    if (options.competition !== null && call.body.competitionName !== options.competition)
      return refusal(404, 'Not Found');
    if (call.method === 'ListDataFiles') return listPage(files(), call.body);
    // The storage has another host than the API, as at Kaggle: a client must not send its credentials there.
    const storage = `${scheme}://${url.hostname === '127.0.0.1' ? 'localhost' : '127.0.0.1'}:${port}`;
    if (call.method !== 'DownloadDataFile') return submissions.call(call.method, call.body, storage);
    const file = files().find(({ name }) => name === call.body.fileName);
    if (!file) return refusal(404, 'Not Found');
    const location = addresses.sign(storage, file, options.addressSeconds ?? THREE_DAYS);
    return { status: 302, headers: { Location: location } };
  }

  async function answerStorage(url: URL, request: IncomingMessage, response: ServerResponse): Promise<void> {
    served.storageRequests += 1;
    const known = addresses.verify(url);
    if ('refusal' in known) return sendAnswer(response, known.refusal);
    const file = files().find(({ name }) => name === known.name);
    if (!file) return sendAnswer(response, storageError(404, 'NoSuchKey', 'The specified key does not exist.'));
    const reads = request.method === 'GET' || request.method === 'HEAD';
    if (request.headers.authorization !== undefined || !reads) {
      const message = 'Expected a GET or HEAD without Authorization.';
      return sendAnswer(response, storageError(400, 'InvalidArgument', message));
    }
    const { range } = request.headers;
    const ifRange = request.headers['if-range'] as string | undefined;
    const odd = options.onStorageRequest?.({ name: known.name, range, ifRange, etag: etagOf(file) }) ?? {};
    const { bytesPerSecond, hashLines } = options;
    const onBytes = (length: number) => {
      served.bodyBytes += length;
    };
    if (isOwn(odd)) return sendAnswer(response, odd, odd, onBytes);
    await serveObject(file, request, response, {
      ...(bytesPerSecond && { bytesPerSecond }),
      ...(hashLines && { hashLines }),
      odd,
      onBytes,
    });
  }

  async function answerUpload(url: URL, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const odd = options.onUpload?.();
    const bytes = await readBody(request, MAX_UPLOAD);
    if (odd) return sendAnswer(response, odd);
    const put = request.method === 'PUT';
    const right = put ? submissions.upload(url, request.headers, bytes) : refusal(405, 'Method Not Allowed');
    await sendAnswer(response, right);
  }

  return {
    url: `${scheme}://127.0.0.1:${port}`,
    served,
    submissions: submissions.list,
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

export interface ApiCall {
  method: 'ListDataFiles' | 'DownloadDataFile' | 'IntrospectToken' | SubmissionCall;
  body: Record<string, unknown>;
}

const RPC = new RegExp(
  String.raw`^(?:/api)?/v1/(?:competitions\.CompetitionApiService/(ListDataFiles|DownloadDataFile|${SUBMISSION_CALLS.join('|')})|security\.OAuthService/(IntrospectToken))$`,
);

/** Returns the call that a request's method and path stand for; undefined where there is none. */
function apiCall(verb: string, path: string, body: Record<string, unknown>): ApiCall | undefined {
  const method = verb === 'POST' ? RPC.exec(path) : null;
  return method ? { method: (method[1] ?? method[2]) as ApiCall['method'], body } : undefined;
}

function listPage(files: readonly ServedFile[], body: Record<string, unknown>): OwnAnswer {
  const start = Number(body.pageToken || 0);
  const end = start + (Number(body.pageSize) || DEFAULT_PAGE);
  return ok({
    files: files.slice(start, end).map(({ name, size, lastModified }) => ({
      ref: name,
      name,
      totalBytes: size,
      creationDate: (lastModified ?? LAUNCH_DATE).toISOString(),
    })),
    nextPageToken: end < files.length ? String(end) : '',
  });
}

function authorized(header: string | undefined, token: string | null): boolean {
  if (token === null || header === `Bearer ${token}`) return true;
  const basic = /^Basic (.+)$/.exec(header ?? '')?.[1];
  return basic !== undefined && Buffer.from(basic, 'base64').toString().split(':')[1] === token;
}

async function readFields(request: IncomingMessage): Promise<Record<string, unknown>> {
  const body = (await readBody(request, MAX_BODY)).toString();
  return body === '' ? {} : (JSON.parse(body) as Record<string, unknown>);
}

async function readBody(request: IncomingMessage, limit: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > limit) throw new Error(`Expected a body of at most ${limit} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Returns whether the test's own response is sent in place of the right one. */
const isOwn = ({ status, headers, body }: Misbehaviour) =>
  status !== undefined || headers !== undefined || body !== undefined;

async function sendAnswer(
  response: ServerResponse,
  { status = 200, headers = {}, body = '' }: OwnAnswer,
  faults: BodyFaults = {},
  onBytes?: (length: number) => void,
): Promise<void> {
  const bytes = Buffer.from(body);
  response.statusCode = status;
  response.setHeaders(new Map(Object.entries({ 'content-length': String(bytes.length), ...headers })));
  const read = async (offset: number, length: number) => bytes.subarray(offset, offset + length);
  await sendBody(response, { size: bytes.length, read }, faults, onBytes);
}
