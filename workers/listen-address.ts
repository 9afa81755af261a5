/** Where a worker listens for those who watch it. */
import { isIP } from 'node:net';

export interface ListenAddress {
  /** An IP address, without brackets. */
  host: string;
  port: number;
}

/**
 * @param name of the setting, for the message
 * @param text `8080` (on loopback), `127.0.0.1:8080`, `[::1]:8080`, `0.0.0.0:8080`
 * @throws Error with one line for a person
 */
export function parseListenAddress(name: string, text: string): ListenAddress {
  const [, named = '127.0.0.1', digits = ''] = /^(?:(.+):)?(\d{1,5})$/.exec(text.trim()) ?? [];
  const host = named === 'localhost' ? '127.0.0.1' : named.replace(/^\[(.*)\]$/, '$1');
  const port = Number(digits);
  if (digits !== '' && port <= 65_535 && isIP(host)) return { host, port };
  throw new Error(`Expected ${name} to be PORT or IP:PORT, such as 127.0.0.1:8080, got \`${text}\``);
}

/** As it stands in an address: IPv6 in brackets. */
export function formatAddress({ host, port }: ListenAddress): string {
  return `${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
}
