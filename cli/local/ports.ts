/** Ports on loopback. */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { UserError } from '../../lib/user-error.ts';

/** Temporal's default port. The default of its Web UI is a thousand higher. */
const USUAL_PORT = 7233;

/** Ports of the server and of its Web UI. */
export interface ServerPorts {
  port: number;
  uiPort: number;
}

/**
 * Starts a server on the given ports, else on the default ones. Takes free ports where those are in use, or where another command is
 * about to use them.
 * @param start resolves when the server listens
 * @throws UserError when a given port is in use; errors of `start`
 */
export async function withPorts<Result>(
  asked: { port?: number | undefined; uiPort?: number | undefined },
  start: (ports: ServerPorts) => Promise<Result>,
): Promise<Result> {
  const letGo = await holdPort(USUAL_PORT - 1);
  try {
    const port = await choosePort(asked.port, letGo ? USUAL_PORT : 0, '--port');
    return await start({ port, uiPort: await choosePort(asked.uiPort, port + 1000, '--ui-port') });
  } finally {
    letGo?.();
  }
}

/**
 * Returns the port to listen on: the given one, which must be free; otherwise `usual`, or any free one where that is in use.
 * @throws UserError `Expected port 7233 (--port) to be free, got EADDRINUSE`
 */
export async function choosePort(asked: number | undefined, usual: number, option: string): Promise<number> {
  if (asked === undefined) return (await tryPort(usual).catch(() => undefined)) ?? tryPort(0);
  return tryPort(asked).catch(error => {
    throw new UserError(
      `Expected port ${asked} (${option}) to be free, got ${error.code}: leave the option out and a free one is taken`,
    );
  });
}

/**
 * Holds a port as a lock on the default ones. Without it, another command would still find them free until the server listens.
 * It would then talk to this command's server. The end of the process releases the lock, whatever the cause.
 * @returns a function that releases the lock; undefined while another process holds it
 */
export async function holdPort(port: number): Promise<(() => void) | undefined> {
  const server = await listen(port).catch(() => undefined);
  return server && (() => void server.close());
}

async function tryPort(port: number): Promise<number> {
  const server = await listen(port);
  const { port: got } = server.address() as AddressInfo;
  await new Promise(resolve => server.close(resolve));
  return got;
}

async function listen(port: number): Promise<Server> {
  const server = createServer().listen(port, '127.0.0.1');
  await once(server, 'listening');
  return server;
}
