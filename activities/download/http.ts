/** HTTP as the download needs it: a proxy where the environment names one, limits on silence, and errors without addresses in them. */
import { Agent, type Dispatcher, EnvHttpProxyAgent, request } from 'undici';
import { finalFailure } from '../failures.ts';
import { createRangeHttp } from './range-http.ts';
import { Transient } from './retries.ts';

export interface HttpRequest {
  method?: 'GET' | 'POST' | 'PUT';
  headers?: Record<string, string>;
  body?: string | Uint8Array;
  signal: AbortSignal;
}

export type HttpAnswer = Pick<Dispatcher.ResponseData, 'statusCode' | 'headers' | 'body'>;

export interface Http {
  /** One request; redirects are answers. @throws Transient when no answer comes */
  send(url: URL, options: HttpRequest): Promise<HttpAnswer>;
  /** A GET whose body is large; its pieces are good until the next one is asked for. @throws Transient when no answer comes */
  stream(url: URL, options: Pick<HttpRequest, 'headers' | 'signal'>): Promise<StreamedAnswer>;
}

export interface StreamedAnswer {
  statusCode: number;
  headers: Record<string, string | string[] | undefined>;
  body: AsyncIterable<Buffer>;
  /** Lets the body go. */
  discard(): Promise<void>;
}

const CONNECT_MS = 10_000;

/** No wait cures these. */
const UNTRUSTED = new Set([
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'CERT_HAS_EXPIRED',
  'ERR_TLS_CERT_ALTNAME_INVALID',
]);

/** `localhost` or an address of this machine's loopback, as `URL.hostname` writes them. */
export function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d{1,3}){3}$/.test(hostname);
}

/**
 * @param env where HTTPS_PROXY, HTTP_PROXY and NO_PROXY are read from; loopback never goes through a proxy
 * @param silenceMs longest wait for an answer, and between two pieces of one
 */
export function createHttp(env: NodeJS.ProcessEnv, silenceMs: number): Http {
  const timeouts = { bodyTimeout: silenceMs, headersTimeout: silenceMs, connect: { timeout: CONNECT_MS } };
  const direct = new Agent(timeouts);
  let outside: Dispatcher | undefined;
  const toOutside = () => {
    outside ??= new EnvHttpProxyAgent({
      ...timeouts,
      httpProxy: env.http_proxy ?? env.HTTP_PROXY ?? '',
      httpsProxy: env.https_proxy ?? env.HTTPS_PROXY ?? '',
      noProxy: env.no_proxy ?? env.NO_PROXY ?? '',
    });
    return outside;
  };
  const getRange = createRangeHttp({ connectMs: CONNECT_MS, silenceMs });
  // Through a proxy the library goes, which knows how to ask one.
  const proxies = ['http_proxy', 'https_proxy', 'HTTP_PROXY', 'HTTPS_PROXY'].some(name => env[name]);
  const http: Http = {
    async stream(url, { headers = {}, signal }) {
      if (proxies && !isLoopback(url.hostname)) {
        const answer = await http.send(url, { headers, signal });
        return { ...answer, body: answer.body as AsyncIterable<Buffer>, discard: () => discard(answer) };
      }
      try {
        const answer = await getRange(url, headers, signal);
        return { ...answer, discard: async () => answer.leave() };
      } catch (error) {
        throw networkError(error, `an answer from ${url.host}`, signal);
      }
    },
    async send(url, { method = 'GET', headers = {}, body, signal }) {
      try {
        return await request(url, {
          method,
          headers,
          body: body ?? null,
          signal,
          dispatcher: isLoopback(url.hostname) ? direct : toOutside(),
        });
      } catch (error) {
        throw networkError(error, `an answer from ${url.host}`, signal);
      }
    },
  };
  return http;
}

/**
 * What went wrong on the wire, as an error that says nothing but its code: what the client library says may hold the address.
 * An abort stays what it is.
 */
export function networkError(error: unknown, expected: string, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason;
  const code = codeOf(error);
  if (UNTRUSTED.has(code)) {
    return finalFailure(
      'BadInput',
      `Expected a certificate that this machine trusts with ${expected}, got ${code}: name your authority's certificate in NODE_EXTRA_CA_CERTS`,
    );
  }
  return new Transient(`Expected ${expected}, got ${code}`);
}

function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'no reason';
  const { code } = error as NodeJS.ErrnoException;
  if (typeof code === 'string') return code;
  const inner = error instanceof AggregateError ? error.errors[0] : error.cause;
  return inner instanceof Error ? codeOf(inner) : error.name;
}

/** Reads a body that was asked for whole. @throws Transient when it breaks off or is longer than `limit` bytes */
export async function readBody(answer: HttpAnswer, limit: number, from: string, signal: AbortSignal): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of answer.body as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > limit) break;
      chunks.push(chunk);
    }
  } catch (error) {
    throw networkError(error, `a whole answer from ${from}`, signal);
  }
  if (length > limit) throw new Transient(`Expected an answer of at most ${limit} bytes from ${from}, got more`);
  return Buffer.concat(chunks);
}

/** Lets an answer go whose body nobody reads: an unread one would hold its connection. */
export async function discard(answer: HttpAnswer): Promise<void> {
  answer.body.on('error', () => {});
  await answer.body.dump({ limit: 64 << 10 }).catch(() => {});
}

/** `Retry-After` in milliseconds from now: seconds or a date. */
export function parseRetryAfter(header: string | string[] | undefined, now = Date.now()): number | undefined {
  const value = Array.isArray(header) ? header[0] : header;
  if (value === undefined) return undefined;
  if (/^\d+$/.test(value.trim())) return Number(value) * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}
