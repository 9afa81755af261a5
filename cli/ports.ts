/** Ports on loopback. */
import { createServer } from 'node:net';
import { UserError } from './user-error.ts';

/** Temporal's own; its Web UI's is a thousand above. */
const USUAL_PORT = 7233;

/** Of the server and of its Web UI. */
export interface ServerPorts {
  port: number;
  uiPort: number;
}

/**
 * Starts a server on the ports asked for, else on the usual ones, or on free ones where those are taken or another start is about to
 * take them.
 * @param start resolves when the server listens
 * @throws UserError when a port that was asked for is taken; what `start` throws
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
 * The port to listen on: the one asked for, which must be free; otherwise `usual`, or any free one where that is taken.
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
 * Holds a port that says who is about to take the usual ones: between the choice and the server's listening another start would
 * find them free as well, and talk to this one's server. It is let go with the process, whatever ends it.
 * @returns how to let go; undefined while another holds it
 */
export function holdPort(port: number): Promise<(() => void) | undefined> {
  return new Promise(resolve => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen(port, '127.0.0.1', () => resolve(() => server.close()));
  });
}

function tryPort(port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      const { port: got } = server.address() as { port: number };
      server.close(() => resolve(got));
    });
  });
}
