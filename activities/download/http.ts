/** HTTP as the download needs it: a proxy where the environment names one, limits on silence, and errors without addresses in them. */
import { ApplicationFailure } from '@temporalio/activity';
import { Agent, type Dispatcher, EnvHttpProxyAgent, request } from 'undici';
import { finalFailure } from '../failures.ts';

/** Trouble that passes by itself. Its message holds a host at most, never an address. */
export class Transient extends Error {
  override readonly name = 'Transient';
  /** Milliseconds the other side asks to wait. */
  readonly retryAfterMs: number | undefined;
  constructor(message: string, retryAfterMs?: number) {
    super(message);
    this.retryAfterMs = retryAfterMs;
  }
}

export interface HttpRequest {
  method?: 'GET' | 'POST';
  headers?: Record<string, string>;
  body?: string;
  signal: AbortSignal;
}

export type HttpAnswer = Pick<Dispatcher.ResponseData, 'statusCode' | 'headers' | 'body'>;

export interface Http {
  /** One request; redirects are answers. @throws Transient when no answer comes */
  send(url: URL, options: HttpRequest): Promise<HttpAnswer>;
}

export interface Patience {
  /** Tries in a row before the activity fails and is retried as a whole. */
  tries: number;
  /** Milliseconds before the second try, doubled for each further one. */
  backoffMs: number;
}

/** Long enough for a short outage, short enough that the workflow sees a longer one: 6 tries wait 0.5 + 1 + 2 + 4 + 8 s. */
export const PATIENCE: Patience = { tries: 6, backoffMs: 500 };

/** A longer wait than this gives the worker's slot back. */
const LONGEST_WAIT_MS = 30_000;
const LONGEST_BACKOFF_MS = 15_000;

const TIMEOUTS = {
  /** Five parts with four segments each and a few calls beside them. */
  connections: 32,
  /** Silence between two chunks; a stalled connection is cheaper to replace than to wait for. */
  bodyTimeout: 30_000,
  headersTimeout: 30_000,
  connect: { timeout: 10_000 },
};

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

/** @param env where HTTPS_PROXY, HTTP_PROXY and NO_PROXY are read from; loopback never goes through a proxy */
export function createHttp(env: NodeJS.ProcessEnv): Http {
  const direct = new Agent(TIMEOUTS);
  let outside: Dispatcher | undefined;
  const toOutside = () => {
    outside ??= new EnvHttpProxyAgent({
      ...TIMEOUTS,
      httpProxy: env.http_proxy ?? env.HTTP_PROXY ?? '',
      httpsProxy: env.https_proxy ?? env.HTTPS_PROXY ?? '',
      noProxy: env.no_proxy ?? env.NO_PROXY ?? '',
    });
    return outside;
  };
  return {
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

/**
 * Repeats `work` while it fails with `Transient`, waiting longer each time or as long as the other side asks.
 * @throws the last error; a retryable failure with its own delay when the other side asks for more than 30 s
 */
export async function withRetries<Result>(
  work: () => Promise<Result>,
  { tries, backoffMs }: Patience,
  signal: AbortSignal,
): Promise<Result> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof Transient)) throw error;
      const asked = error.retryAfterMs ?? 0;
      if (asked > LONGEST_WAIT_MS) {
        throw ApplicationFailure.create({ message: error.message, type: 'RateLimited', nextRetryDelay: asked });
      }
      if (attempt >= tries) throw error;
      const backoff = Math.min(backoffMs * 2 ** (attempt - 1), LONGEST_BACKOFF_MS);
      // Twenty segments that fail together must not come back together.
      await pause(Math.max(asked, backoff * (0.5 + Math.random() / 2)), signal);
    }
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', onAbort);
      resolve();
    }, ms);
    signal.addEventListener('abort', onAbort, { once: true });
  });
}
