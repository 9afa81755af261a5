/** The server's process, as the bench talks to it. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Agent, request } from 'undici';
import { runChild } from '../../../lib/process/child-process.ts';
import { startScript } from './process.ts';
import type { ServerReady, ServerSettings } from './server.ts';

export interface BenchServer {
  url: string;
  competition: string;
  token: string;
  files: ServerReady['files'];
  /** Path of its certificate, which signs itself. */
  certificate: string;
  /** Connections that were open at once since the last call. */
  mostConnections(): number;
  /** A signed address of each file, as the API hands them out. */
  addresses(): Promise<string[]>;
  close(): Promise<void>;
}

/** Makes a key and a certificate of loopback for this run. @throws Error with OpenSSL's last words */
async function makeCertificate(key: string, certificate: string): Promise<void> {
  const made = await runChild([
    ...['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost'],
    ...['-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1', '-keyout', key, '-out', certificate],
  ]);
  if (made.code !== 0) throw new Error(`Expected openssl to make a certificate, got: ${made.tail.join(' ')}`);
}

/**
 * Starts the server, which speaks TLS as Kaggle's does.
 * @param folder for its key and certificate
 * @throws Error when the process ends before it serves
 */
export async function startServer(
  settings: Pick<ServerSettings, 'files' | 'size' | 'bytesPerSecond'>,
  folder: string,
  signal: AbortSignal,
): Promise<BenchServer> {
  const access = { competition: 'bench', token: 'a-token-that-opens-nothing-else' };
  const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')];
  await makeCertificate(key, certificate);
  const [keyText, cert] = [await readFile(key, 'utf8'), await readFile(certificate, 'utf8')];
  const tls = { key: keyText, cert };
  let open = 0;
  let most = 0;
  let serves: (ready: ServerReady) => void = () => {};
  const ready = new Promise<ServerReady>(resolve => {
    serves = resolve;
  });
  const onLine = (line: string) => {
    if (line.startsWith('{')) serves(JSON.parse(line) as ServerReady);
    if (!/^\d+$/.test(line)) return;
    open = Number(line);
    most = Math.max(most, open);
  };
  const child = await startScript('server.ts', { ...settings, ...access, tls } satisfies ServerSettings, {
    signal,
    onLine,
  });
  const ended = child.exited.then(({ tail }) => {
    signal.throwIfAborted();
    throw new Error(`Expected the server to serve, got its end:\n${tail.join('\n')}`);
  });
  const { url, files } = await Promise.race([ready, ended]);
  ended.catch(() => {});
  return {
    url,
    ...access,
    files,
    certificate,
    mostConnections() {
      const before = most;
      most = open;
      return before;
    },
    addresses: () => Promise.all(files.map(({ name }) => addressOf(name, url, access, cert, signal))),
    async close() {
      child.kill('SIGKILL');
      await child.exited;
    },
  };
}

async function addressOf(
  fileName: string,
  url: string,
  { competition, token }: { competition: string; token: string },
  ca: string,
  signal: AbortSignal,
): Promise<string> {
  const { statusCode, headers, body } = await request(`${url}/v1/competitions.CompetitionApiService/DownloadDataFile`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ competitionName: competition, fileName }),
    // A connection that is kept would be counted as the client's.
    reset: true,
    dispatcher: new Agent({ connect: { ca } }),
    signal,
  });
  await body.dump();
  if (typeof headers.location === 'string') return headers.location;
  throw new Error(`Expected an address of ${fileName}, got status ${statusCode}`);
}
