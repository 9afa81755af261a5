/** Health endpoint of a worker, for an orchestrator's health check or a person with curl. */
import { createServer } from 'node:http';
import { type AddressInfo, isIP } from 'node:net';
import type { NativeConnection, Worker } from '@temporalio/worker';
import { quote, reasonOf } from '../lib/quote.ts';
import type { ArtifactStore } from '../storage/store.ts';

const PATIENCE_MS = 5_000;
/** Lifetimes of a store check. The check writes, so not every request runs one. A fault may pass sooner. */
const REMEMBERED_MS = { well: 60_000, wrong: 5_000 };

/** Dependencies of a healthy worker. */
export interface Watched {
  /** Filled while the worker starts. */
  workers: readonly Pick<Worker, 'getState'>[];
  connection: Pick<NativeConnection, 'workflowService'>;
  /** Absent where the worker needs no store. */
  store?: Pick<ArtifactStore, 'check'>;
}

export interface Health {
  /** `http://127.0.0.1:8080` */
  url: string;
  close(): void;
}

/**
 * Serves the health of a worker. The body is one line that says what is wrong.
 * `GET /live`: 200 while no worker of the process has failed. Any other answer, or none, means that the process needs a restart.
 * `GET /ready` (and `/health`): 200 while all workers poll and Temporal and the store answer, else 503.
 * @param address `PORT` (on loopback) or `IP:PORT`
 * @throws Error with a one-line message when the address is invalid or not available
 */
export async function serveHealth(address: string, watched: Watched): Promise<Health> {
  const { host, port } = parseListenAddress('RETINOPATHY_HEALTH', address);
  const storeFault = remembered(() => faultOf('the store', watched.store?.check()));
  const answers: Record<string, () => Promise<string | undefined>> = {
    '/live': async () => failed(watched),
    '/ready': () => notReady(watched, storeFault),
    '/health': () => notReady(watched, storeFault),
  };
  const server = createServer(async (request, response) => {
    const ask = answers[request.url ?? ''];
    const fault = ask ? await ask() : 'Expected /live or /ready';
    response.writeHead(ask ? (fault ? 503 : 200) : 404, { 'content-type': 'text/plain; charset=utf-8' });
    response.end(`${fault ?? 'ok'}\n`);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(new Error(`Expected RETINOPATHY_HEALTH to be an address to listen at, got ${error.code} at ${address}`)),
    );
    server.listen(port, host, resolve);
  });
  // Open connections must not keep the worker from ending.
  server.unref();
  return {
    url: `http://${formatAddress({ host, port: (server.address() as AddressInfo).port })}`,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

function failed({ workers }: Watched): string | undefined {
  const states = workers.map(worker => worker.getState());
  return states.includes('FAILED') ? `Expected every worker to work, got ${states.join(', ')}` : undefined;
}

async function notReady(
  { workers, connection }: Watched,
  storeFault: () => Promise<string | undefined>,
): Promise<string | undefined> {
  const states = workers.map(worker => worker.getState());
  if (states.length === 0 || states.some(state => state !== 'RUNNING'))
    return `Expected the worker to poll, got ${states.join(', ') || 'one that starts'}`;
  const faults = await Promise.all([faultOf('Temporal', connection.workflowService.getSystemInfo({})), storeFault()]);
  return faults.filter(fault => fault !== undefined).join('; ') || undefined;
}

/** Returns one line about a dependency that fails, or gives no answer in time; undefined where it answers. */
async function faultOf(who: string, answer: Promise<unknown> | undefined): Promise<string | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing for ${PATIENCE_MS / 1000} s`)), PATIENCE_MS);
  });
  try {
    await Promise.race([answer, late]);
    return undefined;
  } catch (error) {
    return `Expected ${who} to answer, got: ${reasonOf(error)}`;
  } finally {
    clearTimeout(timer);
  }
}

/** Asks again when the last answer is too old. Callers that ask meanwhile share one answer. */
function remembered(ask: () => Promise<string | undefined>): () => Promise<string | undefined> {
  let latest: Promise<string | undefined> | undefined;
  let until = Number.POSITIVE_INFINITY;
  return () => {
    if (latest && Date.now() < until) return latest;
    until = Number.POSITIVE_INFINITY;
    latest = ask().then(fault => {
      until = Date.now() + (fault === undefined ? REMEMBERED_MS.well : REMEMBERED_MS.wrong);
      return fault;
    });
    return latest;
  };
}

export interface ListenAddress {
  /** An IP address, without brackets. */
  host: string;
  port: number;
}

/**
 * Parses an address to listen at.
 * @param name name of the setting, for the error message
 * @param text `8080` (on loopback), `127.0.0.1:8080`, `[::1]:8080`, `0.0.0.0:8080`
 * @throws Error with a one-line message
 */
export function parseListenAddress(name: string, text: string): ListenAddress {
  const [, named = '127.0.0.1', digits = ''] = /^(?:(.+):)?(\d{1,5})$/.exec(text.trim()) ?? [];
  const host = named === 'localhost' ? '127.0.0.1' : named.replace(/^\[(.*)\]$/, '$1');
  const port = Number(digits);
  if (digits !== '' && port <= 65_535 && isIP(host)) return { host, port };
  throw new Error(`Expected ${name} to be PORT or IP:PORT, such as 127.0.0.1:8080, got \`${quote(text)}\``);
}

/** Formats an address, with IPv6 in brackets. */
export function formatAddress({ host, port }: ListenAddress): string {
  return `${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
}
