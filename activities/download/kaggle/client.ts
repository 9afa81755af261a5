/** The API calls that a download needs: lists the files page by page, and resolves a name to a signed address. */

import { quote } from '../../../lib/quote.ts';
import { finalFailure } from '../../failures.ts';
import { discard, type Http } from '../http.ts';
import type { Reach } from '../reach.ts';
import { BadAnswer, type Patience, withRetries } from '../retry.ts';
import { parseSignedUrl, type SignedUrl } from '../signed-url.ts';
import type { Credentials } from './credentials.ts';
import type { Asked } from './errors.ts';
import { callKaggle, readKaggleJson } from './request.ts';

export interface KaggleClientOptions {
  /** `https://api.kaggle.com`, or a compatible server. */
  base: URL;
  competition: string;
  credentials: Credentials;
  keptBack: boolean;
  http: Http;
  patience: Patience;
}

export interface KaggleFile {
  name: string;
  /** Bytes as Kaggle counts them; for progress only. */
  size: number;
  /** Date of the file as Kaggle writes it. */
  date: string;
}

/** A signed address, and the networks that it may be in. */
export interface ReachableUrl extends SignedUrl {
  reach: Reach;
}

export interface KaggleClient {
  list(signal: AbortSignal): Promise<KaggleFile[]>;
  /**
   * Resolves the address in one try. A caller retries it together with the request that uses it. @throws Transient, or a final failure
   * that says what to do
   */
  resolve(file: string, signal: AbortSignal): Promise<ReachableUrl>;
}

const PAGE_SIZE = 200;
/** More pages than any competition has. Without this limit, a server that repeats its page token would cause an endless loop. */
const MAX_PAGES = 1000;

export function createKaggleClient(options: KaggleClientOptions): KaggleClient {
  const { base, competition, credentials, http, patience } = options;
  const asked = (file?: string): Asked => ({
    host: base.host,
    competition,
    file,
    credentials,
    keptBack: options.keptBack,
  });

  const send = (method: 'ListDataFiles' | 'DownloadDataFile', body: Record<string, unknown>, signal: AbortSignal) =>
    callKaggle({ base, credentials, http }, method, { competitionName: competition, ...body }, signal);

  async function listPage(pageToken: string, signal: AbortSignal): Promise<{ files: KaggleFile[]; next: string }> {
    const answer = await send('ListDataFiles', { pageSize: PAGE_SIZE, pageToken }, signal);
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

  async function resolve(fileName: string, signal: AbortSignal): Promise<ReachableUrl> {
    const answer = await send('DownloadDataFile', { fileName }, signal);
    if (answer.statusCode < 300 || answer.statusCode >= 400) {
      await readKaggleJson(answer, asked(fileName), signal);
      throw new BadAnswer(`Expected ${base.host} to redirect to ${quote(fileName)}, got ${answer.statusCode}`);
    }
    await discard(answer);
    const { location } = answer.headers;
    const signed = parseSignedUrl(Array.isArray(location) ? location[0] : location, base);
    if (!signed) {
      throw finalFailure(
        'BadInput',
        `Expected ${base.host} to redirect to an https address of ${quote(fileName)}, got none that can be used`,
      );
    }
    return { ...signed, reach: http.reachFrom(base) };
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
