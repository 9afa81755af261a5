/** Answers of Kaggle's that are not the asked one, as tests have its stand-in give them. */
import { json, type OwnAnswer } from '../../synthetic/kaggle/server-faults.ts';

/** `Too many requests` or `Service unavailable`. @param retryAfter seconds, or the moment, to wait for */
export function busy(status: 429 | 503, retryAfter?: number | Date): OwnAnswer {
  const wait = retryAfter instanceof Date ? retryAfter.toUTCString() : retryAfter;
  const [message, name] =
    status === 429 ? ['Too many requests', 'RESOURCE_EXHAUSTED'] : ['Service unavailable', 'UNAVAILABLE'];
  const headers = wait === undefined ? undefined : { 'retry-after': String(wait) };
  return json(status, { error: { code: status, message, status: name } }, headers);
}

/** An error that comes as a success. */
export const errorUnder200 = (code: number, message: string): OwnAnswer => json(200, { code, message });

/** What a sign-in page or a maintenance page looks like to a client of the API. */
export const webPage = (): OwnAnswer => ({
  headers: { 'content-type': 'text/html; charset=utf-8' },
  body: '<!doctype html><html><body><h1>Sign in</h1></body></html>',
});
