/** Answers whether a worker works, for whoever watches over it: an orchestrator's health check, a person with curl. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { NativeConnection, Worker } from '@temporalio/worker';
import type { ArtifactStore } from '../storage/store.ts';
import { formatAddress, parseListenAddress } from './listen-address.ts';

const PATIENCE_MS = 5_000;
/** The store is tried by writing: not at every question. What is wrong may be over sooner. */
const REMEMBERED_MS = { well: 60_000, wrong: 5_000 };

/** What must work for the worker to work. */
export interface Watched {
  /** Filled while the worker starts. */
  workers: readonly Pick<Worker, 'getState'>[];
  connection: Pick<NativeConnection, 'workflowService'>;
  /** Absent where the worker needs none. */
  store?: Pick<ArtifactStore, 'check'>;
}

export interface Health {
  /** `http://127.0.0.1:8080` */
  url: string;
  close(): void;
}

/**
 * `GET /live`: 200 as long as no worker of the process has failed; who gets something else, or nothing, should start it again.
 * `GET /ready` (and `/health`): 200 while all of them poll and Temporal and the store answer, else 503. The body is one line: what
 * is wrong.
 * @param address `PORT` (on loopback) or `IP:PORT`
 * @throws Error with one line for a person when it is none, or cannot be had
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
  // Who asks must not keep the worker from ending.
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

/** What is wrong with whom, in one line; undefined where it answers in time. */
async function faultOf(who: string, answer: Promise<unknown> | undefined): Promise<string | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing for ${PATIENCE_MS / 1000} s`)), PATIENCE_MS);
  });
  try {
    await Promise.race([answer, late]);
    return undefined;
  } catch (error) {
    return `Expected ${who} to answer, got: ${(error as Error).message.split('\n')[0]}`;
  } finally {
    clearTimeout(timer);
  }
}

/** Asks again when the last answer is too old; everybody who asks meanwhile waits for the same one. */
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
