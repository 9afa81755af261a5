/**
 * Reads the files of a competition through Kaggle's API. Each file has a signed address and is read by ranges, which are checked one by
 * one.
 */

import { quote } from '../../../lib/quote.ts';
import { judgeStatus } from '../../../lib/system-errors.ts';
import type { ByteRange } from '../../../storage/store.ts';
import { finalFailure } from '../../failures.ts';
import { discard, type Http, type HttpAnswer, type HttpRequest, networkError, parseRetryAfter } from '../http.ts';
import type { StreamedAnswer } from '../http-stream.ts';
import { parseContentRange, parseGoogHash, validatorOf } from '../ranges.ts';
import { BadAnswer, type Patience, Transient, withRetries } from '../retry.ts';
import type { SignedUrl } from '../signed-url.ts';
import { type ArchiveSource, SourceChanged, type SourceObject, type SourceVersion, sameVersion } from '../source.ts';
import type { KaggleClient, ReachableUrl } from './client.ts';

export interface KaggleSourceOptions {
  name: string;
  folder: string;
  client: KaggleClient;
  http: Http;
  patience: Patience;
}

export function createKaggleSource({ name, folder, client, http, patience }: KaggleSourceOptions): ArchiveSource {
  return {
    name,
    folder,
    list: client.list,
    open: (file, signal, unless) => openFile(file, { client, http, patience }, signal, unless),
  };
}

type Tools = Pick<KaggleSourceOptions, 'client' | 'http' | 'patience'>;

async function openFile(
  file: string,
  { client, http, patience }: Tools,
  signal: AbortSignal,
  unless?: SourceVersion,
): Promise<SourceObject | 'unchanged'> {
  const address = signedAddress(client, file);
  /** Sends a storage request through `ask`, and refuses error responses. */
  async function get<Answer extends Pick<HttpAnswer, 'statusCode' | 'headers'>>(
    ask: (url: URL, options: Pick<HttpRequest, 'headers' | 'signal' | 'reach'>) => Promise<Answer>,
    letGo: (answer: Answer) => Promise<void>,
    headers: Record<string, string>,
    abort: AbortSignal,
  ): Promise<Answer> {
    const signed = await address.current(abort);
    // Storage may compress the body unless told not to, and then ranges count other bytes.
    const answer = await ask(signed.url, {
      headers: { 'accept-encoding': 'identity', ...headers },
      ...{ signal: abort, reach: signed.reach },
    });
    await refuse(answer, signed, () => letGo(answer));
    return answer;
  }

  /** Throws for a response that holds neither bytes of the file nor a statement about them. */
  async function refuse(
    answer: Pick<HttpAnswer, 'statusCode' | 'headers'>,
    signed: SignedUrl,
    letGo: () => Promise<void>,
  ): Promise<void> {
    const { statusCode: status } = answer;
    if (status < 400 || status === 416) return;
    await letGo();
    const line = `Expected ${quote(signed.url.host)} to serve ${file}, got ${status}`;
    const verdict = judgeStatus(status);
    if (verdict === 'passing') throw new Transient(line, parseRetryAfter(answer.headers['retry-after']));
    if (verdict === 'final') throw finalFailure('BadInput', `${line}: this server cannot, whoever asks and how often`);
    // The address has expired, was withdrawn, or its signing key is gone. If anything fixes these, it is a fresh address.
    address.drop(signed);
    throw new BadAnswer(line, parseRetryAfter(answer.headers['retry-after']));
  }

  async function probe(): Promise<{ version: SourceVersion; crc32c: number | null } | 'unchanged'> {
    const conditional = unless?.validator.startsWith('"') ? { 'if-none-match': unless.validator } : {};
    const answer = await get(http.send, discard, { range: 'bytes=0-0', ...conditional }, signal);
    await discard(answer);
    if (answer.statusCode === 304) return 'unchanged';
    const range = parseContentRange(answer.headers['content-range']);
    if (answer.statusCode !== 206 || !range) {
      const type = quote(String(answer.headers['content-type'] ?? 'no content type'));
      throw new BadAnswer(`Expected a range of ${file} with status 206, got ${answer.statusCode} (${type})`);
    }
    const version = { validator: validatorOf(answer.headers) ?? '', size: range.total };
    if (unless && unless.validator !== '' && sameVersion(version, unless)) return 'unchanged';
    return { version, crc32c: parseGoogHash(answer.headers['x-goog-hash']) };
  }

  const found = await withRetries(probe, patience, signal);
  if (found === 'unchanged') return found;
  const { version, crc32c } = found;

  async function* stream({ offset, length }: ByteRange, abort: AbortSignal): AsyncGenerator<Buffer> {
    const last = offset + length - 1;
    const condition = version.validator === '' ? {} : { 'if-range': version.validator };
    const answer = await get(
      http.stream,
      async ({ discard }) => discard(),
      { range: `bytes=${offset}-${last}`, ...condition },
      abort,
    );
    const range = parseContentRange(answer.headers['content-range']);
    const validator = validatorOf(answer.headers) ?? '';
    if (answer.statusCode === 200 && isPage(answer)) {
      answer.discard();
      throw new BadAnswer(
        `Expected bytes ${offset}–${last} of ${file}, got 200 (${quote(String(answer.headers['content-type']))})`,
      );
    }
    if (answer.statusCode !== 206 || range?.total !== version.size || validator !== version.validator) {
      answer.discard();
      throw new SourceChanged(
        `Expected ${file} to stay as it was (${version.size} bytes), got ${answer.statusCode} with ${range ? `${range.total} bytes` : 'other content'}`,
      );
    }
    if (range.first !== offset || range.last !== last) {
      answer.discard();
      throw new Transient(`Expected bytes ${offset}–${last} of ${file}, got ${range.first}–${range.last}`);
    }
    yield* receive(answer, length, `bytes ${offset}–${last} of ${file}`, abort);
  }

  return {
    servedAs: (await address.current(signal)).fileName,
    version,
    crc32c,
    stream,
  };
}

/** Returns whether the body is a web page or an API error. Either says nothing about the file. */
const isPage = ({ headers }: Pick<HttpAnswer, 'headers'>) =>
  /^\s*(text\/|application\/(json|xml))/i.test(String(headers['content-type']));

/** Yields a body of a known length. @throws Transient when it is shorter or longer, or falls silent */
async function* receive(
  { body }: StreamedAnswer,
  length: number,
  expected: string,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  let received = 0;
  try {
    for await (const chunk of body) {
      received += chunk.length;
      if (received > length) break;
      yield chunk;
    }
  } catch (error) {
    throw networkError(error, expected, signal);
  }
  if (received === length) return;
  throw new Transient(`Expected ${expected}, got ${received > length ? 'more' : `${received} bytes`}`);
}

/**
 * Caches the signed address of a file. It is renewed when it is about to expire or was dropped, and concurrent callers share one request.
 */
function signedAddress(client: KaggleClient, file: string) {
  let known: ReachableUrl | undefined;
  let coming: Promise<ReachableUrl> | undefined;
  return {
    async current(signal: AbortSignal): Promise<ReachableUrl> {
      if (known && Date.now() < known.renewAt) return known;
      coming ??= client.resolve(file, signal).finally(() => {
        coming = undefined;
      });
      known = await coming;
      return known;
    },
    /** Drops only the address that failed: another caller may have renewed it meanwhile. */
    drop(failed: SignedUrl) {
      if (known === failed) known = undefined;
    },
  };
}
