/** The server's process, as the bench talks to it. */
import { request } from 'undici';
import { startScript } from './process.ts';
import type { ServerReady, ServerSettings } from './server.ts';

export interface BenchServer {
  url: string;
  competition: string;
  token: string;
  files: ServerReady['files'];
  /** Connections that were open at once since the last call. */
  mostConnections(): number;
  /** A signed address of each file, as the API hands them out. */
  addresses(): Promise<string[]>;
  close(): Promise<void>;
}

/** @throws Error when the process ends before it serves */
export async function startServer(
  settings: Pick<ServerSettings, 'files' | 'size' | 'bytesPerSecond'>,
  signal: AbortSignal,
): Promise<BenchServer> {
  const access = { competition: 'bench', token: 'a-token-that-opens-nothing-else' };
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
  const child = await startScript('server.ts', { ...settings, ...access } satisfies ServerSettings, { signal, onLine });
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
    mostConnections() {
      const before = most;
      most = open;
      return before;
    },
    addresses: () => Promise.all(files.map(({ name }) => addressOf(name, url, access, signal))),
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
  signal: AbortSignal,
): Promise<string> {
  const { statusCode, headers, body } = await request(`${url}/v1/competitions.CompetitionApiService/DownloadDataFile`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ competitionName: competition, fileName }),
    // A connection that is kept would be counted as the client's.
    reset: true,
    signal,
  });
  await body.dump();
  if (typeof headers.location === 'string') return headers.location;
  throw new Error(`Expected an address of ${fileName}, got status ${statusCode}`);
}
