/** Sends a request to Kaggle's API as its own client does, and reads the response. */

import { type Http, type HttpAnswer, parseRetryAfter, readBody } from '../http.ts';
import type { Credentials } from './credentials.ts';
import { type Asked, kaggleError, parseErrorBody } from './errors.ts';

const SERVICE = 'competitions.CompetitionApiService';
const MAX_ANSWER = 8 << 20;

export interface KaggleLine {
  /** `https://api.kaggle.com`, or a compatible server. */
  base: URL;
  credentials: Credentials;
  http: Http;
}

/** Sends a request once. @throws Transient when no response comes */
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

function headersFor({ authorization }: Credentials): Record<string, string> {
  const headers = { accept: 'application/json', 'user-agent': 'retinopathy' };
  return authorization === null ? headers : { ...headers, authorization };
}

/** Returns the response's JSON; undefined where it is none. @throws the result of `kaggleError` for an error response */
export async function readKaggleJson(answer: HttpAnswer, about: Asked, signal: AbortSignal): Promise<unknown> {
  const text = (await readBody(answer, MAX_ANSWER, about.host, signal)).toString();
  const json = parseJson(text);
  const error = parseErrorBody(json);
  // Kaggle also sends errors with status 200.
  const status = answer.statusCode >= 400 ? answer.statusCode : error && error.code >= 400 ? error.code : undefined;
  if (status === undefined) return json;
  const html = String(answer.headers['content-type'] ?? '').includes('html');
  // A response without Kaggle's error form may come from another service.
  const message = error?.message ?? (html ? 'a web page' : '');
  throw kaggleError({ status, message, retryAfterMs: parseRetryAfter(answer.headers['retry-after']) }, about);
}

function folderOf({ pathname }: URL): string {
  let end = pathname.length;
  while (pathname[end - 1] === '/') end -= 1;
  return pathname.slice(0, end);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
