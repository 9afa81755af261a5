/** Downloads the Temporal CLI from the service that Temporal's SDKs use, and verifies the checksums of its release. */
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { basename, join } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { extract } from 'tar-stream';
import { type Dispatcher, fetch } from 'undici';
import { z } from 'zod';
import { proxyDispatcher } from '../proxy.ts';
import { type Report, reasonOf, seldom } from './missing-tool.ts';

const ANSWER = z.object({ archiveUrl: z.url(), fileToExtract: z.string().min(1) });
/** File beside the archives of a release, with lines of `<SHA-256>  <name>`. */
const CHECKSUMS = 'checksums.txt';
const MAX_REDIRECTS = 5;

export interface Download {
  env: NodeJS.ProcessEnv;
  report: Report;
  signal?: AbortSignal;
  /** The service that returns the address of a platform's archive. On loopback, it and its archives may use plain HTTP. */
  from?: string;
  /** Milliseconds without data after which the download fails. */
  stallMs?: number;
}

/**
 * Writes `<folder>/temporal`.
 * @param version `1.5.1`
 * @throws Error with a one-line reason when the service, archive or checksum is not available over HTTPS, or the checksum differs
 */
export async function downloadTemporalCli(
  folder: string,
  version: string,
  { env, report, signal, from = 'https://temporal.download', stallMs = 10_000 }: Download,
): Promise<void> {
  const stalled = new AbortController();
  const timer = setTimeout(() => stalled.abort(new Error(`nothing came for ${stallMs / 1000} s`)), stallMs);
  const abort = AbortSignal.any([stalled.signal, ...(signal ? [signal] : [])]);
  const dispatcher = proxyDispatcher(env);
  const get = (url: string) => getSafely(url, isLoopback(from), dispatcher, abort);
  try {
    const query = new URLSearchParams({
      platform: process.platform,
      arch: process.arch === 'x64' ? 'amd64' : process.arch,
      format: 'tar.gz',
    });
    const answer = await get(`${from}/cli/v${version}?${query}`);
    const { data } = ANSWER.safeParse(await answer.json().catch(() => null));
    if (data === undefined)
      throw new Error(`Expected ${new URL(from).host} to say where the archive is, got no address`);
    const { archiveUrl, fileToExtract } = data;
    const list = await (await get(new URL(CHECKSUMS, archiveUrl).href)).text();
    const expected = checksumOf(basename(new URL(archiveUrl).pathname), list);
    const archive = await get(archiveUrl);
    const size = Number(archive.headers.get('content-length') ?? 0);
    const hash = createHash('sha256');
    const tell = seldom(report);
    let received = 0;
    const count = new Transform({
      transform(chunk, _, done) {
        timer.refresh();
        hash.update(chunk);
        received += chunk.length;
        tell(`downloading the Temporal CLI: ${megabytes(received)}${size > 0 ? ` of ${megabytes(size)}` : ''} MB`);
        done(null, chunk);
      },
    });
    await unpack(archive.body, count, fileToExtract, join(folder, 'temporal'), abort);
    const found = hash.digest('hex');
    if (found === expected) return;
    throw new Error(`Expected the archive with the SHA-256 ${expected} of the release's ${CHECKSUMS}, got ${found}`);
  } catch (error) {
    throw new Error(`the download failed: ${reasonOf(stalled.signal.aborted ? stalled.signal.reason : error)}`);
  } finally {
    clearTimeout(timer);
    await dispatcher.destroy();
  }
}

/** Fetches an address. Follows redirects itself, because each must be to HTTPS, or to loopback if the service is there too. */
async function getSafely(url: string, mayBeLoopback: boolean, dispatcher: Dispatcher, signal: AbortSignal) {
  for (let at = url, redirects = 0; redirects <= MAX_REDIRECTS; redirects += 1) {
    const { protocol, host } = new URL(at);
    if (protocol !== 'https:' && !(mayBeLoopback && isLoopback(at))) {
      throw new Error(`Expected an address of https, got ${protocol}//${host}`);
    }
    const response = await fetch(at, { dispatcher, signal, redirect: 'manual' });
    const next = response.headers.get('location');
    if (response.status < 300 || response.status > 399 || next === null) {
      if (!response.ok) throw new Error(`${host} answered ${response.status} for ${basename(new URL(at).pathname)}`);
      return response;
    }
    await response.body?.cancel();
    at = new URL(next, at).href;
  }
  throw new Error(`Expected an answer after ${MAX_REDIRECTS} redirects, got another one`);
}

function isLoopback(url: string): boolean {
  const { hostname } = new URL(url);
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d+){3}$/.test(hostname);
}

function checksumOf(name: string, list: string): string {
  const lines = list.split('\n').map(line => /^([0-9a-f]{64}) [ *](.+)$/i.exec(line.trim()));
  const checksum = lines.find(match => match?.[2] === name)?.[1];
  if (checksum === undefined) throw new Error(`Expected a checksum of ${name} in the release's ${CHECKSUMS}, got none`);
  return checksum.toLowerCase();
}

async function unpack(
  body: Awaited<ReturnType<typeof fetch>>['body'],
  count: Transform,
  name: string,
  target: string,
  signal: AbortSignal,
): Promise<void> {
  if (body === null) throw new Error('Expected an archive, got an empty answer');
  const entries = extract();
  const reading = pipeline(Readable.fromWeb(body), count, createGunzip(), entries, { signal });
  let found = false;
  const writing = (async () => {
    for await (const entry of entries) {
      if (entry.header.name === name) {
        found = true;
        await pipeline(entry, createWriteStream(target, { mode: 0o755 }), { signal });
      } else entry.resume();
    }
  })();
  await Promise.all([reading, writing]);
  if (!found) throw new Error(`Expected ${name} in the archive, got none`);
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 1e6);
}
