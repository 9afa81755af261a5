/** Converts Kaggle's error responses to errors that say what to do. */

import { quote } from '../../../lib/quote.ts';
import { judgeStatus } from '../../../lib/system-errors.ts';
import { finalFailure } from '../../failures.ts';
import { Transient } from '../retry.ts';
import type { Credentials } from './credentials.ts';

export interface Refusal {
  /** HTTP status, or the `code` in the body of a 200. */
  status: number;
  /** The server's own message. */
  message: string;
  retryAfterMs: number | undefined;
}

export interface Asked {
  /** `api.kaggle.com` */
  host: string;
  competition: string;
  /** The requested file; undefined for the listing. */
  file: string | undefined;
  credentials: Credentials;
  /** Credentials were withheld, because the host may not receive them. */
  keptBack: boolean;
  /** The request sends a submission and asks for no file. */
  submitting?: true;
}

/** Parses both forms of Kaggle's errors, `{code, message}` and `{error: {code, message, status}}`; undefined for any other body. */
export function parseErrorBody(json: unknown): { code: number; message: string } | undefined {
  if (typeof json !== 'object' || json === null) return undefined;
  const outer = json as { error?: unknown };
  const body = typeof outer.error === 'object' && outer.error !== null ? outer.error : json;
  const { code, message } = body as { code?: unknown; message?: unknown };
  if (typeof code !== 'number') return undefined;
  return { code, message: typeof message === 'string' ? message : '' };
}

/** Returns a final failure for what a person has to change, and `Transient` for what a retry may fix. */
export function kaggleError(refusal: Refusal, asked: Asked): Error {
  const { status } = refusal;
  const words = quote(refusal.message, 200, asked.credentials.secrets);
  const got = `got ${status}${words ? ` (${words})` : ''}`;
  const files =
    asked.file === undefined ? `the files of ${asked.competition}` : `${asked.file} of ${asked.competition}`;
  const what = asked.submitting ? `a submission to ${asked.competition}` : files;
  const [serve, download] = asked.submitting ? ['take', 'send'] : ['serve', 'download'];
  if (status === 401) {
    return finalFailure(
      'AccessDenied',
      `Expected ${asked.host} to accept ${who(asked)}, ${got}: ${howToSignIn(asked)}`,
    );
  }
  if (status === 403) {
    return finalFailure(
      'AccessDenied',
      `Expected ${asked.host} to let ${who(asked)} ${download} ${what}, ${got}: ` +
        `accept the rules at https://www.kaggle.com/competitions/${asked.competition}/rules (a closed competition: through Late Submission), and verify the account's phone number`,
    );
  }
  if (status === 404) {
    return finalFailure(
      'BadInput',
      asked.submitting
        ? `Expected ${asked.host} to take ${what}, ${got}: is that the competition's name?`
        : `Expected ${what} at ${asked.host}, ${got}: check archive.competition and archive.name`,
    );
  }
  if (status === 429) {
    return new Transient(`Expected ${asked.host} to ${serve} ${what}, ${got}: too many requests`, refusal.retryAfterMs);
  }
  if (judgeStatus(status) === 'passing') {
    return new Transient(`Expected ${asked.host} to ${serve} ${what}, ${got}`, refusal.retryAfterMs);
  }
  return finalFailure('BadInput', `Expected ${asked.host} to ${serve} ${what}, ${got}`);
}

function who({ credentials }: Asked): string {
  return credentials.authorization === null ? 'a call without credentials' : `the credentials from ${credentials.from}`;
}

function howToSignIn({ credentials, keptBack, host }: Asked): string {
  if (keptBack)
    return `credentials go to Kaggle only; name ${host} in RETINOPATHY_KAGGLE_HOSTS of the worker's environment if it may have them, over https unless it is on loopback`;
  if (credentials.authorization === null) {
    return 'create a token at https://www.kaggle.com/settings and put it into KAGGLE_API_TOKEN of the worker’s environment';
  }
  return 'create a new token at https://www.kaggle.com/settings';
}
