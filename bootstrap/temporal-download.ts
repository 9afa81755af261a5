/** Downloads the Temporal CLI from where Temporal's SDKs get it, without starting a server as they do. */
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { extract } from 'tar-stream';
import { type Dispatcher, fetch } from 'undici';
import { z } from 'zod';
import { proxyDispatcher } from '../system/proxy.ts';
import { type Report, reasonOf } from './missing-tool.ts';

const ANSWER = z.object({ archiveUrl: z.url(), fileToExtract: z.string().min(1) });

export interface Download {
  env: NodeJS.ProcessEnv;
  report: Report;
  signal?: AbortSignal;
  /** The service that tells where the archive for a platform is. */
  from?: string;
  /** Gives up when nothing came for so long. */
  stallMs?: number;
}

/**
 * Writes `<folder>/temporal`.
 * @param version `1.5.1`
 * @throws when the service or the archive cannot be had: the reason in one line
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
  try {
    const query = new URLSearchParams({
      platform: process.platform,
      arch: process.arch === 'x64' ? 'amd64' : process.arch,
      format: 'tar.gz',
    });
    const answer = await get(`${from}/cli/v${version}?${query}`, dispatcher, abort);
    const { archiveUrl, fileToExtract } = ANSWER.parse(await answer.json());
    const archive = await get(archiveUrl, dispatcher, abort);
    const size = Number(archive.headers.get('content-length') ?? 0);
    let received = 0;
    let told = Date.now();
    const count = new Transform({
      transform(chunk, _, done) {
        timer.refresh();
        received += chunk.length;
        if (Date.now() - told > 5_000) {
          told = Date.now();
          report(`downloading the Temporal CLI: ${megabytes(received)}${size > 0 ? ` of ${megabytes(size)}` : ''} MB`);
        }
        done(null, chunk);
      },
    });
    await unpack(archive.body, count, fileToExtract, join(folder, 'temporal'), abort);
  } catch (error) {
    throw new Error(`the download failed: ${reasonOf(stalled.signal.aborted ? stalled.signal.reason : error)}`);
  } finally {
    clearTimeout(timer);
    await dispatcher.destroy();
  }
}

async function get(url: string, dispatcher: Dispatcher, signal: AbortSignal) {
  const response = await fetch(url, { dispatcher, signal });
  if (!response.ok) throw new Error(`${new URL(url).host} answered ${response.status}`);
  return response;
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
