/** Ports on loopback. */
import { createServer } from 'node:net';
import { UserError } from './user-error.ts';

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
