/** A call of Kaggle's API, as its own client makes it today or made it until 2025, and its answer. */
import type { Credentials } from './credentials.ts';
import { type Http, type HttpAnswer, parseRetryAfter, readBody } from './http.ts';
import { type Asked, kaggleError, parseErrorBody } from './kaggle-errors.ts';

const SERVICE = 'competitions.CompetitionApiService';
const MAX_ANSWER = 8 << 20;

/** `rpc` is what Kaggle's own client speaks today, `rest` what it spoke until 2025. */
export type KaggleApi = 'rpc' | 'rest';

export interface KaggleLine {
  /** `https://api.kaggle.com`, or a compatible server. */
  base: URL;
  credentials: Credentials;
  http: Http;
}

/** One try. @throws Transient when no answer comes */
export function callKaggle(
  { base, credentials, http }: KaggleLine,
  method: string,
  body: Record<string, unknown>,
  signal: AbortSignal,
): Promise<HttpAnswer> {
  const headers = { ...headersFor(credentials), 'content-type': 'application/json' };
  // Kaggle's production host has no /api; every other host has, as Kaggle's own client expects.
  const root = base.hostname === 'api.kaggle.com' ? '/v1' : '/api/v1';
  const url = new URL(`${folderOf(base)}${root}/${SERVICE}/${method}`, base);
  return http.send(url, { method: 'POST', headers, body: JSON.stringify(body), signal });
}

/** `…/api/v1/competitions/<path>` of the older API. */
export function restAddress(base: URL, path: string): URL {
  const host = base.hostname === 'api.kaggle.com' ? new URL('https://www.kaggle.com') : base;
  return new URL(`${folderOf(host)}/api/v1/competitions/${path}`, host);
}

/** A form sent to the older API: one try. @throws Transient when no answer comes */
export function postForm(
  { base, credentials, http }: KaggleLine,
  path: string,
  fields: Record<string, string | number>,
  signal: AbortSignal,
): Promise<HttpAnswer> {
  const headers = { ...headersFor(credentials), 'content-type': 'application/x-www-form-urlencoded' };
  const body = new URLSearchParams(
    Object.entries(fields).map(([name, value]): [string, string] => [name, String(value)]),
  ).toString();
  return http.send(restAddress(base, path), { method: 'POST', headers, body, signal });
}

export function headersFor({ authorization }: Credentials): Record<string, string> {
  const headers = { accept: 'application/json', 'user-agent': 'retinopathy' };
  return authorization === null ? headers : { ...headers, authorization };
}

/** The answer's JSON; undefined where it is none. @throws what `kaggleError` makes of any error that came instead */
export async function readKaggleJson(answer: HttpAnswer, about: Asked, signal: AbortSignal): Promise<unknown> {
  const text = (await readBody(answer, MAX_ANSWER, about.host, signal)).toString();
  const json = parseJson(text);
  const error = parseErrorBody(json);
  // Errors come under a 200, too.
  const status = answer.statusCode >= 400 ? answer.statusCode : error && error.code >= 400 ? error.code : undefined;
  if (status === undefined) return json;
  const html = String(answer.headers['content-type'] ?? '').includes('html');
  const message = error?.message ?? (html ? 'a web page' : text);
  throw kaggleError({ status, message, retryAfterMs: parseRetryAfter(answer.headers['retry-after']) }, about);
}

const folderOf = (base: URL) => base.pathname.replace(/\/+$/, '');

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
