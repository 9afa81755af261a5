/** The three calls of Kaggle's API that a download needs: list the files, page by page, and turn a name into a signed address. */
import { finalFailure } from '../failures.ts';
import type { Credentials } from './credentials.ts';
import { discard, type Http, type HttpAnswer, parseRetryAfter, readBody } from './http.ts';
import { type Asked, kaggleError, parseErrorBody } from './kaggle-errors.ts';
import { BadAnswer, type Patience, withRetries } from './retries.ts';
import { parseSignedUrl, type SignedUrl } from './signed-url.ts';

/** `rpc` is what Kaggle's own client speaks today, `rest` what it spoke until 2025. */
export type KaggleApi = 'rpc' | 'rest';

export interface KaggleClientOptions {
  /** `https://api.kaggle.com`, or a compatible server. */
  base: URL;
  api: KaggleApi;
  competition: string;
  credentials: Credentials;
  keptBack: boolean;
  http: Http;
  patience: Patience;
}

export interface KaggleFile {
  name: string;
  /** Bytes as Kaggle counts them: for progress only. */
  size: number;
  /** Kaggle's date of the file, as it writes it. */
  date: string;
}

export interface KaggleClient {
  list(signal: AbortSignal): Promise<KaggleFile[]>;
  /** One try: whoever uses the address repeats both together. @throws Transient, or a final failure that says what to do */
  resolve(file: string, signal: AbortSignal): Promise<SignedUrl>;
}

const SERVICE = 'competitions.CompetitionApiService';
const PAGE_SIZE = 200;
/** More pages than any competition has: a server that repeats its token must not keep us for ever. */
const MAX_PAGES = 1000;
const MAX_ANSWER = 8 << 20;

type Call = { method: 'ListDataFiles'; pageToken: string } | { method: 'DownloadDataFile'; fileName: string };

export function createKaggleClient(options: KaggleClientOptions): KaggleClient {
  const { base, competition, credentials, http, patience } = options;
  const asked = (file?: string): Asked => ({
    host: base.host,
    competition,
    file,
    credentials,
    keptBack: options.keptBack,
  });

  async function send(call: Call, signal: AbortSignal): Promise<HttpAnswer> {
    const headers: Record<string, string> = { accept: 'application/json', 'user-agent': 'retinopathy' };
    if (credentials.authorization !== null) headers.authorization = credentials.authorization;
    if (options.api === 'rest') return http.send(restAddress(base, competition, call), { headers, signal });
    headers['content-type'] = 'application/json';
    const body =
      call.method === 'ListDataFiles'
        ? { competitionName: competition, pageSize: PAGE_SIZE, pageToken: call.pageToken }
        : { competitionName: competition, fileName: call.fileName };
    return http.send(rpcAddress(base, call.method), { method: 'POST', headers, body: JSON.stringify(body), signal });
  }

  /** The answer's JSON; any error that came instead is thrown. */
  async function readJson(answer: HttpAnswer, about: Asked, signal: AbortSignal): Promise<unknown> {
    const text = (await readBody(answer, MAX_ANSWER, base.host, signal)).toString();
    const json = parseJson(text);
    const error = parseErrorBody(json);
    // Errors come under a 200, too.
    const status = answer.statusCode >= 400 ? answer.statusCode : error && error.code >= 400 ? error.code : undefined;
    if (status === undefined) return json;
    const html = String(answer.headers['content-type'] ?? '').includes('html');
    const message = error?.message ?? (html ? 'a web page' : text);
    throw kaggleError({ status, message, retryAfterMs: parseRetryAfter(answer.headers['retry-after']) }, about);
  }

  async function listPage(pageToken: string, signal: AbortSignal): Promise<{ files: KaggleFile[]; next: string }> {
    const answer = await send({ method: 'ListDataFiles', pageToken }, signal);
    const page = (await readJson(answer, asked(), signal)) as { files?: unknown; nextPageToken?: unknown } | undefined;
    if (!Array.isArray(page?.files)) {
      throw new BadAnswer(`Expected a list of files from ${base.host}, got ${answer.statusCode} with something else`);
    }
    const files = (page.files as Record<string, unknown>[]).map(({ name, totalBytes, creationDate }) => ({
      name: String(name ?? ''),
      size: Number(totalBytes ?? 0) || 0,
      date: String(creationDate ?? ''),
    }));
    return { files, next: typeof page.nextPageToken === 'string' ? page.nextPageToken : '' };
  }

  async function resolve(fileName: string, signal: AbortSignal): Promise<SignedUrl> {
    const answer = await send({ method: 'DownloadDataFile', fileName }, signal);
    if (answer.statusCode < 300 || answer.statusCode >= 400) {
      await readJson(answer, asked(fileName), signal);
      throw new BadAnswer(`Expected ${base.host} to redirect to ${fileName}, got ${answer.statusCode}`);
    }
    await discard(answer);
    const { location } = answer.headers;
    const signed = parseSignedUrl(Array.isArray(location) ? location[0] : location, base);
    if (!signed) {
      throw finalFailure(
        'BadInput',
        `Expected ${base.host} to redirect to an https address of ${fileName}, got none that can be used`,
      );
    }
    return signed;
  }

  return {
    async list(signal) {
      const files: KaggleFile[] = [];
      let token = '';
      for (let page = 0; page < MAX_PAGES; page += 1) {
        const { files: more, next } = await withRetries(() => listPage(token, signal), patience, signal);
        files.push(...more);
        if (next === '') return files;
        token = next;
      }
      throw finalFailure('BadInput', `Expected ${base.host} to list its files in at most ${MAX_PAGES} pages, got more`);
    },
    resolve,
  };
}

function rpcAddress(base: URL, method: Call['method']): URL {
  // Kaggle's production host has no /api; every other host has, as Kaggle's own client expects.
  const root = base.hostname === 'api.kaggle.com' ? '/v1' : '/api/v1';
  return new URL(`${folderOf(base)}${root}/${SERVICE}/${method}`, base);
}

function restAddress(base: URL, competition: string, call: Call): URL {
  const host = base.hostname === 'api.kaggle.com' ? new URL('https://www.kaggle.com') : base;
  const root = `${folderOf(host)}/api/v1/competitions/data`;
  if (call.method === 'DownloadDataFile') {
    return new URL(`${root}/download/${competition}/${encodeURIComponent(call.fileName)}`, host);
  }
  const url = new URL(`${root}/list/${competition}`, host);
  url.searchParams.set('pageSize', String(PAGE_SIZE));
  url.searchParams.set('pageToken', call.pageToken);
  return url;
}

const folderOf = (base: URL) => base.pathname.replace(/\/+$/, '');

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
