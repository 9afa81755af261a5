/** The three calls of Kaggle's API that a download needs: list the files, page by page, and turn a name into a signed address. */
import { finalFailure } from '../failures.ts';
import type { Credentials } from './credentials.ts';
import { discard, type Http, type HttpAnswer } from './http.ts';
import { callKaggle, headersFor, type KaggleApi, readKaggleJson, restAddress } from './kaggle-call.ts';
import type { Asked } from './kaggle-errors.ts';
import { BadAnswer, type Patience, withRetries } from './retries.ts';
import { parseSignedUrl, type SignedUrl } from './signed-url.ts';

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

const PAGE_SIZE = 200;
/** More pages than any competition has: a server that repeats its token must not keep us for ever. */
const MAX_PAGES = 1000;

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
    if (options.api === 'rest') {
      return http.send(addressOf(base, competition, call), { headers: headersFor(credentials), signal });
    }
    const body =
      call.method === 'ListDataFiles'
        ? { competitionName: competition, pageSize: PAGE_SIZE, pageToken: call.pageToken }
        : { competitionName: competition, fileName: call.fileName };
    return callKaggle({ base, credentials, http }, call.method, body, signal);
  }

  async function listPage(pageToken: string, signal: AbortSignal): Promise<{ files: KaggleFile[]; next: string }> {
    const answer = await send({ method: 'ListDataFiles', pageToken }, signal);
    const page = (await readKaggleJson(answer, asked(), signal)) as
      | { files?: unknown; nextPageToken?: unknown }
      | undefined;
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
      await readKaggleJson(answer, asked(fileName), signal);
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

function addressOf(base: URL, competition: string, call: Call): URL {
  if (call.method === 'DownloadDataFile') {
    return restAddress(base, `data/download/${competition}/${encodeURIComponent(call.fileName)}`);
  }
  const url = restAddress(base, `data/list/${competition}`);
  url.searchParams.set('pageSize', String(PAGE_SIZE));
  url.searchParams.set('pageToken', call.pageToken);
  return url;
}
