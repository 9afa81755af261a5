/**
 * Finds a user's Kaggle credentials in Kaggle's own order. They are sent only to Kaggle and to hosts that the worker's environment names.
 */
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { homeFolder } from '../../../lib/home-folder.ts';
import { codeOf } from '../../../lib/system-errors.ts';
import { finalFailure, unusable } from '../../failures.ts';
import { isLoopback } from '../http.ts';

export interface Credentials {
  /** Value of the `Authorization` header; null for an anonymous call. */
  authorization: string | null;
  /** Their origin, for people: `KAGGLE_API_TOKEN`, `/home/x/.kaggle/kaggle.json`. */
  from: string;
  /** Strings that must appear in no error and no log. */
  secrets: string[];
  /** Warnings for the user, such as a file that others can read. */
  warnings: string[];
}

export const ANONYMOUS: Credentials = { authorization: null, from: 'no credentials', secrets: [], warnings: [] };

/** Tokens of the newer kind. People put them where the older key belongs, where Kaggle then refuses them. */
const NEW_TOKEN = /^KGAT_/;

/**
 * Looks where Kaggle's own client looks, in its order: KAGGLE_API_TOKEN (a token, or a file that holds one),
 * `~/.kaggle/access_token[.txt]`, KAGGLE_USERNAME with KAGGLE_KEY, `kaggle.json` in KAGGLE_CONFIG_DIR or `~/.kaggle`.
 * @throws `AccessDenied` when a file of these cannot be read
 */
export async function findCredentials(env: NodeJS.ProcessEnv): Promise<Credentials> {
  const home = join(homeFolder(env), '.kaggle');
  if (env.KAGGLE_API_TOKEN) {
    const file = await readSecret(env.KAGGLE_API_TOKEN, 'the file of KAGGLE_API_TOKEN');
    if (!file && /^[/~.]/.test(env.KAGGLE_API_TOKEN)) {
      throw finalFailure(
        'AccessDenied',
        'Expected KAGGLE_API_TOKEN to be a token or the path of a file that holds one, got a path without a file',
      );
    }
    return bearer(file?.text ?? env.KAGGLE_API_TOKEN, 'KAGGLE_API_TOKEN', file?.warnings);
  }
  for (const name of ['access_token', 'access_token.txt']) {
    const path = join(home, name);
    const file = await readSecret(path, path);
    if (file) return bearer(file.text, path, file.warnings);
  }
  if (env.KAGGLE_USERNAME && env.KAGGLE_KEY) {
    return userAndKey(env.KAGGLE_USERNAME, env.KAGGLE_KEY, 'KAGGLE_USERNAME and KAGGLE_KEY');
  }
  const path = join(env.KAGGLE_CONFIG_DIR || home, 'kaggle.json');
  const file = await readSecret(path, path);
  if (!file) return ANONYMOUS;
  const { username, key } = parseKaggleJson(file.text, path);
  return userAndKey(username, key, path, file.warnings);
}

/**
 * Returns whether credentials may be sent to an address. It must be a Kaggle host or one in RETINOPATHY_KAGGLE_HOSTS, a list of
 * `host` or `host:port` separated by commas. TLS is required, except on loopback.
 */
export function mayReceiveCredentials(url: URL, env: NodeJS.ProcessEnv): boolean {
  if (url.protocol !== 'https:' && !isLoopback(url.hostname)) return false;
  if (/^(.+\.)?kaggle\.com$/.test(url.hostname)) return true;
  const allowed = (env.RETINOPATHY_KAGGLE_HOSTS ?? '').split(',').map(host => host.trim().toLowerCase());
  return allowed.includes(url.host) || allowed.includes(url.hostname);
}

function bearer(text: string, from: string, warnings: string[] = []): Credentials {
  const token = text.trim();
  // A header cannot hold line ends or other control characters, so a file that holds them is no token.
  if (!/^[\x21-\x7e]+$/.test(token)) {
    throw finalFailure(
      'AccessDenied',
      `Expected ${from} to hold one token, got something else: see https://www.kaggle.com/settings`,
    );
  }
  const encoded = Buffer.from(token).toString('base64');
  return { authorization: `Bearer ${token}`, from, secrets: [token, encoded], warnings };
}

function userAndKey(username: string, key: string, from: string, warnings: string[] = []): Credentials {
  if (NEW_TOKEN.test(key)) return bearer(key, from, warnings);
  const basic = Buffer.from(`${username}:${key}`).toString('base64');
  return { authorization: `Basic ${basic}`, from, secrets: [key, basic], warnings };
}

function parseKaggleJson(text: string, path: string): { username: string; key: string } {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    parsed = undefined;
  }
  const { username, key } = (parsed ?? {}) as { username?: unknown; key?: unknown };
  if (typeof key !== 'string' || typeof username !== 'string' || key === '') {
    throw finalFailure(
      'AccessDenied',
      `Expected ${path} to hold {"username": …, "key": …}, got something else: create it anew at https://www.kaggle.com/settings`,
    );
  }
  return { username, key };
}

/** Returns the text of a file and the warnings about it; undefined where there is no file. */
async function readSecret(path: string, name: string): Promise<{ text: string; warnings: string[] } | undefined> {
  try {
    const { mode } = await stat(path);
    const open = process.platform !== 'win32' && (mode & 0o077) !== 0;
    const text = await readFile(path, 'utf8');
    return { text, warnings: open ? [`Others on this machine can read ${name}: chmod 600 it`] : [] };
  } catch (error) {
    // A token is no path: it is too long, or not a valid name.
    if (['ENOENT', 'ENOTDIR', 'ENAMETOOLONG', 'ERR_INVALID_ARG_VALUE'].includes(codeOf(error))) return undefined;
    throw unusable('AccessDenied', `Expected to read ${name}`, error);
  }
}
