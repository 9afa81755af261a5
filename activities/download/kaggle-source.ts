/** Files of a competition behind Kaggle's API: a signed address for each, read by ranges that are checked one by one. */
import type { ByteRange } from '../../storage/store.ts';
import { discard, type Http, type HttpAnswer, networkError, parseRetryAfter, type StreamedAnswer } from './http.ts';
import type { KaggleClient } from './kaggle-client.ts';
import { parseContentRange, parseGoogHash, validatorOf } from './ranges.ts';
import { BadAnswer, type Patience, Transient, withRetries } from './retries.ts';
import type { SignedUrl } from './signed-url.ts';
import { type ArchiveSource, SourceChanged, type SourceObject, type SourceVersion, sameVersion } from './source.ts';

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
  /** Asks the storage by one of the ways there are. */
  async function get<Answer extends Pick<HttpAnswer, 'statusCode' | 'headers'>>(
    ask: (url: URL, options: { headers: Record<string, string>; signal: AbortSignal }) => Promise<Answer>,
    letGo: (answer: Answer) => Promise<void>,
    headers: Record<string, string>,
    abort: AbortSignal,
  ): Promise<Answer> {
    const signed = await address.current(abort);
    // Storage may compress on the way unless told not to, and then no range means what it says.
    const answer = await ask(signed.url, { headers: { 'accept-encoding': 'identity', ...headers }, signal: abort });
    await refuse(answer, signed, () => letGo(answer));
    return answer;
  }

  /** Throws for what is neither the bytes nor a statement about them. */
  async function refuse(
    answer: Pick<HttpAnswer, 'statusCode' | 'headers'>,
    signed: SignedUrl,
    letGo: () => Promise<void>,
  ): Promise<void> {
    const { statusCode: status } = answer;
    if (status < 400 || status === 416) return;
    await letGo();
    const passing = status === 408 || status === 429 || status >= 500;
    // Expired, withdrawn, signed by a key that is gone: a fresh address cures each of them.
    if (!passing) address.drop(signed);
    throw new Transient(
      `Expected ${signed.url.host} to serve ${file}, got ${status}`,
      parseRetryAfter(answer.headers['retry-after']),
    );
  }

  async function probe(): Promise<{ version: SourceVersion; crc32c: number | null } | 'unchanged'> {
    const conditional = unless?.validator.startsWith('"') ? { 'if-none-match': unless.validator } : {};
    const answer = await get(http.send, discard, { range: 'bytes=0-0', ...conditional }, signal);
    await discard(answer);
    if (answer.statusCode === 304) return 'unchanged';
    const range = parseContentRange(answer.headers['content-range']);
    if (answer.statusCode !== 206 || !range) {
      const type = String(answer.headers['content-type'] ?? 'no content type');
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
      ({ discard }) => discard(),
      { range: `bytes=${offset}-${last}`, ...condition },
      abort,
    );
    const range = parseContentRange(answer.headers['content-range']);
    const validator = validatorOf(answer.headers) ?? '';
    if (answer.statusCode === 200 && isPage(answer)) {
      await answer.discard();
      throw new BadAnswer(
        `Expected bytes ${offset}–${last} of ${file}, got 200 (${String(answer.headers['content-type'])})`,
      );
    }
    if (answer.statusCode !== 206 || range?.total !== version.size || validator !== version.validator) {
      await answer.discard();
      throw new SourceChanged(
        `Expected ${file} to stay as it was (${version.size} bytes), got ${answer.statusCode} with ${range ? `${range.total} bytes` : 'other content'}`,
      );
    }
    if (range.first !== offset || range.last !== last) {
      await answer.discard();
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

/** A page for people, or an error for programs, where the bytes of an archive should be: it says nothing about the file. */
const isPage = ({ headers }: Pick<HttpAnswer, 'headers'>) =>
  /^\s*(text\/|application\/(json|xml))/i.test(String(headers['content-type']));

/** A body of a known length. @throws Transient when it is shorter or longer, or falls silent */
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

/** The signed address of a file, renewed when it is about to expire or was dropped; those who wait share one call. */
function signedAddress(client: KaggleClient, file: string) {
  let known: SignedUrl | undefined;
  let coming: Promise<SignedUrl> | undefined;
  return {
    async current(signal: AbortSignal): Promise<SignedUrl> {
      if (known && Date.now() < known.renewAt) return known;
      coming ??= client.resolve(file, signal).finally(() => {
        coming = undefined;
      });
      known = await coming;
      return known;
    },
    /** Only the address that failed: others may have renewed it meanwhile. */
    drop(failed: SignedUrl) {
      if (known === failed) known = undefined;
    },
  };
}
