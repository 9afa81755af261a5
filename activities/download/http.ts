/** HTTP for downloads: uses the proxy that the environment names, limits silence, and keeps addresses out of errors. */
import { Agent, buildConnector, type Dispatcher, request } from 'undici';
import { ProxyFault, proxyDispatcher } from '../../lib/proxy.ts';
import { codeAndCure, judgeCode } from '../../lib/system-errors.ts';
import { finalFailure } from '../failures.ts';
import { type StreamedAnswer, streamGet } from './http-stream.ts';
import {
  ANYWHERE,
  checkHost,
  lookupWithin,
  type Network,
  networkOf,
  networkOfHost,
  OUT_OF_REACH,
  type Reach,
} from './reach.ts';
import { Transient } from './retry.ts';

export interface HttpRequest {
  method?: 'GET' | 'POST' | 'PUT';
  headers?: Record<string, string>;
  body?: string | Uint8Array;
  signal: AbortSignal;
  /** Networks that the request may reach. The default is all of them, for an address that the input itself names. */
  reach?: Reach;
}

export type HttpAnswer = Pick<Dispatcher.ResponseData, 'statusCode' | 'headers' | 'body'>;

export interface Http {
  /** Sends one request; redirects are returned as responses. @throws Transient when no response comes */
  send(url: URL, options: HttpRequest): Promise<HttpAnswer>;
  /** Sends a GET whose body is large. @throws Transient when no response comes */
  stream(url: URL, options: Pick<HttpRequest, 'headers' | 'signal' | 'reach'>): Promise<StreamedAnswer>;
  /** Returns the networks that a server that has responded may redirect to: the public one, and its own. */
  reachFrom(url: URL): Reach;
}

const CONNECT_MS = 10_000;

/** Returns whether the host is `localhost` or a loopback address, in the spelling of `URL.hostname`. */
export function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d{1,3}){3}$/.test(hostname);
}

/**
 * Returns an HTTP client.
 * @param env source of HTTPS_PROXY, HTTP_PROXY and NO_PROXY; loopback never uses a proxy
 * @param silenceMs longest wait for a response, and between two pieces of its body
 */
export function createHttp(env: NodeJS.ProcessEnv, silenceMs: number): Http {
  const routes = new Map<string, Route>();
  const reached = new Map<string, Set<Network>>();
  // Each reach has connections of its own. Otherwise a request could reuse a kept connection to a host that its reach excludes.
  const dispatcherFor = (url: URL, reach: Reach): Dispatcher => {
    checkHost(url.hostname, reach);
    const key = [...reach].sort().join();
    const { direct, outside } = routes.get(key) ?? createRoute(env, silenceMs, reach, reached);
    routes.set(key, { direct, outside });
    return isLoopback(url.hostname) ? direct : outside();
  };
  const http: Http = {
    async stream(url, { headers = {}, signal, reach = ANYWHERE }) {
      try {
        return await streamGet(dispatcherFor(url, reach), url, headers, signal);
      } catch (error) {
        throw networkError(error, `an answer from ${url.host}`, signal);
      }
    },
    async send(url, { method = 'GET', headers = {}, body, signal, reach = ANYWHERE }) {
      try {
        return await request(url, {
          method,
          headers,
          body: body ?? null,
          signal,
          dispatcher: dispatcherFor(url, reach),
        });
      } catch (error) {
        throw networkError(error, `an answer from ${url.host}`, signal);
      }
    },
    reachFrom({ hostname, origin }) {
      const own = networkOfHost(hostname);
      const networks = own === undefined ? [...(reached.get(origin) ?? [])] : [own];
      // A name that has led to several networks is not trusted with any of them.
      return new Set(['public', ...(networks.length === 1 ? networks : [])]);
    },
  };
  return http;
}

/** Dispatchers for the requests of one reach. */
interface Route {
  direct: Dispatcher;
  outside(): Dispatcher;
}

/** Creates the dispatchers of a reach. @param reached collects the networks that connections have led to, by origin */
function createRoute(
  env: NodeJS.ProcessEnv,
  silenceMs: number,
  reach: Reach,
  reached: Map<string, Set<Network>>,
): Route {
  const connector = buildConnector({ timeout: CONNECT_MS, lookup: lookupWithin(reach) });
  const connect: buildConnector.connector = (options, callback) =>
    connector(options, (...result) => {
      const address = result[1]?.remoteAddress;
      const origin = `${options.protocol}//${options.host}`;
      if (address) reached.set(origin, new Set([...(reached.get(origin) ?? []), networkOf(address)]));
      callback(...result);
    });
  const options = { bodyTimeout: silenceMs, headersTimeout: silenceMs, connect };
  let outside: Dispatcher | undefined;
  return {
    direct: new Agent(options),
    outside() {
      outside ??= proxyDispatcher(env, options);
      return outside;
    },
  };
}

/**
 * Converts a network error to one that shows only its code, because the client library's message may hold the address.
 * An abort returns the signal's reason.
 */
export function networkError(error: unknown, expected: string, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason;
  if (error instanceof ProxyFault) {
    return error.final ? finalFailure('BadInput', error.message) : new Transient(error.message);
  }
  const code = innerCode(error);
  if (code === OUT_OF_REACH) {
    return finalFailure(
      'BadInput',
      `Expected ${expected}, got a ${(error as Error).message}: a source may redirect to public addresses, and within its own network`,
    );
  }
  if (judgeCode(code) !== 'final') return new Transient(`Expected ${expected}, got ${code}`);
  return finalFailure('BadInput', `Expected ${expected}, got ${codeAndCure(code)}`);
}

function innerCode(error: unknown): string {
  if (!(error instanceof Error)) return 'no reason';
  const { code } = error as NodeJS.ErrnoException;
  if (typeof code === 'string') return code;
  const inner = error instanceof AggregateError ? error.errors[0] : error.cause;
  return inner instanceof Error ? innerCode(inner) : error.name;
}

/** Reads a whole body into memory. @throws Transient when it breaks off or is longer than `limit` bytes */
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

/** Discards a response whose body is not needed. An unread body would hold its connection. */
export async function discard(answer: HttpAnswer): Promise<void> {
  answer.body.on('error', () => {});
  await answer.body.dump({ limit: 64 << 10 }).catch(() => {});
}

/** Returns the milliseconds from now that `Retry-After` asks for. The header holds seconds or a date. */
export function parseRetryAfter(header: string | string[] | undefined, now = Date.now()): number | undefined {
  const value = Array.isArray(header) ? header[0] : header;
  if (value === undefined) return undefined;
  if (/^\d+$/.test(value.trim())) return Number(value) * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}
