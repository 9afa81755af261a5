/** The server is what Kaggle's own client takes it for: the client lists, downloads, resumes and complains as with Kaggle. */
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  type KaggleServer,
  type KaggleServerOptions,
  type StorageRequest,
  startKaggleServer,
} from '../../synthetic/kaggle/server.ts';
import { refusal } from '../../synthetic/kaggle/server-faults.ts';
import { noise, served } from '../download/world.ts';
import { eventually } from '../support/command.ts';
import { kaggleCli, kagglePython } from '../support/kaggle-cli.ts';

const TOKEN = 'KGAT_of-this-test';
const bytes = noise(6 << 20);
const part = served('train.zip.001', bytes, 'train.zip.001.zip');
const DOWNLOAD = ['competitions', 'download', 'eyes', '-f', 'train.zip.001'];

let python: string;
let folder: string;
let server: KaggleServer | undefined;
beforeAll(async () => {
  python = await kagglePython({ report: line => console.error(`set-up: ${line}`) });
});
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kaggle-cli-'));
});
afterEach(async () => {
  await server?.close();
  server = undefined;
  await rm(folder, { recursive: true, force: true });
});

async function serve(options: Partial<KaggleServerOptions> = {}) {
  server = await startKaggleServer({ competition: 'eyes', token: TOKEN, files: [part], ...options });
  const { url: endpoint } = server;
  return (args: readonly string[], { token = TOKEN, signal }: { token?: string; signal?: AbortSignal } = {}) =>
    kaggleCli({ python, endpoint, token, folder, ...(signal && { signal }) }, args);
}
const downloaded = () => readFile(join(folder, 'train.zip.001.zip'));

describe('Kaggle’s own client', () => {
  it('reaches nothing but loopback', async () => {
    // An address that belongs to nobody (RFC 5737): were the guard open, there would be no answer at all.
    const exit = await kaggleCli({ python, endpoint: 'http://192.0.2.1', token: TOKEN, folder }, DOWNLOAD);
    expect(exit.code).toBe(1);
    expect(exit.output).toContain('Expected loopback only, got 192.0.2.1');
  });

  it('lists the files, page by page', async () => {
    const files = Array.from({ length: 45 }, (_, n) => served(`part.${100 + n}`, noise(10)));
    let pages = 0;
    const kaggle = await serve({
      files,
      onApiRequest: ({ method }) => {
        if (method === 'ListDataFiles') pages += 1;
        return undefined;
      },
    });
    const seen: string[] = [];
    for (let token = ''; seen.length < 45; ) {
      const { code, output } = await kaggle([
        'competitions',
        'files',
        'eyes',
        '--csv',
        ...(token ? ['--page-token', token] : []),
      ]);
      expect(code, output).toBe(0);
      seen.push(...(output.match(/^part\.\d+(?=,)/gm) ?? []));
      token = /Next Page Token = (\S+)/.exec(output)?.[1] ?? '';
      if (token === '') break;
    }
    expect(seen).toEqual(files.map(({ name }) => name));
    expect(pages).toBe(3);
  });

  it.each(['v4', 'v2'] as const)(
    'downloads a part under its wrapper’s name, byte for byte, by addresses of the form %s',
    async addressForm => {
      const kaggle = await serve({ addressForm });
      const { code, output } = await kaggle(DOWNLOAD);
      expect(code, output).toBe(0);
      expect(output).toContain('Downloading train.zip.001.zip');
      expect((await downloaded()).equals(bytes)).toBe(true);
    },
  );

  it('resumes with If-Range what it was killed at, byte for byte', async () => {
    const asked: StorageRequest[] = [];
    const kaggle = await serve({
      onStorageRequest: request => (asked.push(request) === 1 ? { stallAfter: (3 << 20) + 5 } : undefined),
    });
    const kill = new AbortController();
    const first = kaggle(DOWNLOAD, { signal: kill.signal });
    const path = join(folder, 'train.zip.001.zip');
    await eventually('3 MiB of the part', 20, async () => (await stat(path).catch(() => undefined))?.size === 3 << 20);
    kill.abort();
    expect((await first).signal).toBe('SIGKILL');

    const { code, output } = await kaggle(DOWNLOAD);
    expect(code, output).toBe(0);
    expect(output).toContain(`Resuming from ${3 << 20} bytes`);
    expect(asked.at(-1)).toMatchObject({ range: `bytes=${3 << 20}-`, ifRange: asked[0]!.etag });
    expect((await downloaded()).equals(bytes)).toBe(true);
  });

  // It waits some seconds before it tries again.
  it.runIf(process.env.RETINOPATHY_LONG)('goes on by itself after a connection that broke', async () => {
    const asked: StorageRequest[] = [];
    const kaggle = await serve({
      onStorageRequest: request => (asked.push(request) === 1 ? { cutAfter: 2 << 20 } : undefined),
    });
    const { code, output } = await kaggle(DOWNLOAD);
    expect(code, output).toBe(0);
    expect(asked.map(({ range }) => range)).toEqual([undefined, expect.stringMatching(/^bytes=[1-9]\d+-$/)]);
    expect((await downloaded()).equals(bytes)).toBe(true);
  });

  it('hands a submission in, byte for byte, and finds it again', async () => {
    const kaggle = await serve();
    const file = Buffer.from(`image,level\n${Array.from({ length: 5000 }, (_, n) => `${n}_left,${n % 5}\n`).join('')}`);
    await writeFile(join(folder, 'submission.csv'), file);
    const message = 'made-up eyes, small network';
    const sent = await kaggle(['competitions', 'submit', 'eyes', '-f', 'submission.csv', '-m', message]);
    expect(sent.code, sent.output).toBe(0);
    expect(sent.output).toContain('Successfully submitted to eyes');
    expect(sent.output).toContain('4 submissions remaining today.');
    expect(server!.submissions).toMatchObject([{ fileName: 'submission.csv', description: message }]);
    expect(server!.submissions[0]!.bytes.equals(file)).toBe(true);
    const listed = await kaggle(['competitions', 'submissions', 'eyes', '--csv']);
    expect(listed.code, listed.output).toBe(0);
    expect(listed.output).toMatch(/submission\.csv,.*,"?made-up eyes, small network"?,.*PENDING/);
  });

  it('says so when an upload was refused, and submits nothing', async () => {
    const kaggle = await serve({ onUpload: () => refusal(403, 'expired') });
    await writeFile(join(folder, 'submission.csv'), 'image,level\n1_left,0\n');
    const { output } = await kaggle(['competitions', 'submit', 'eyes', '-f', 'submission.csv', '-m', 'x']);
    expect(output).toContain('Could not submit to competition');
    expect(server!.submissions).toEqual([]);
  });

  it('shows a 401 as its own', async () => {
    const kaggle = await serve();
    const introspected = await kaggle(DOWNLOAD, { token: 'another' });
    expect([introspected.code, introspected.output]).toEqual([1, expect.stringContaining('Unauthorized')]);
    await server!.close();
    const revoked = await serve({
      onApiRequest: ({ method }) => (method === 'DownloadDataFile' ? refusal(401, 'Unauthorized') : undefined),
    });
    const { code, output } = await revoked(DOWNLOAD);
    expect([code, output]).toEqual([1, expect.stringMatching(/authenticat/i)]);
  });

  it('shows a 403 in the server’s words', async () => {
    const message = "You must accept this competition's rules before you'll be able to download files.";
    const kaggle = await serve({
      onApiRequest: ({ method }) => (method === 'DownloadDataFile' ? refusal(403, message) : undefined),
    });
    const { code, output } = await kaggle(DOWNLOAD);
    expect([code, output]).toEqual([1, expect.stringContaining(message)]);
  });
});

describe('a machine', () => {
  it.each([
    ['without Python', undefined, 'no python3 in PATH'],
    ['with an old Python', '#!/bin/sh\nexit 1\n', 'python3 is older than 3.11'],
    [
      'without python3-venv',
      '#!/bin/sh\n[ "$1" = -c ] && exit 0\necho "ensurepip is not available"\nexit 1\n',
      'python3 -m venv ended with exit 1: ensurepip is not available',
    ],
  ])('%s is told what to install', async (_, script, why) => {
    if (script !== undefined) {
      await writeFile(join(folder, 'python3'), script);
      await chmod(join(folder, 'python3'), 0o755);
    }
    const env = { PATH: folder, XDG_CACHE_HOME: join(folder, 'cache') };
    await expect(kagglePython({ env })).rejects.toThrow(
      `Expected Python for Kaggle's own client, got none: ${why}. Install Python 3.11 or newer`,
    );
  });
});
