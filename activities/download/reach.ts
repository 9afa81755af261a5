/**
 * Limits the networks that a request may reach. A server that a workflow's input names may redirect to any address. A worker
 * can reach addresses that others cannot: its own services, a private network, a cloud's metadata. So each connection checks
 * the very addresses that it then uses.
 */
import dns, { type LookupAddress } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';

/** `other` covers what is no machine's address, and IPv6 addresses that embed an IPv4 address. */
export type Network = 'public' | 'loopback' | 'link-local' | 'private' | 'other';
export type Reach = ReadonlySet<Network>;

export const ANYWHERE: Reach = new Set(['public', 'loopback', 'link-local', 'private', 'other']);
/** Code of the error for an address out of reach. */
export const OUT_OF_REACH = 'ERR_OUT_OF_REACH';

/** Subnets of RFC 6890 and of later registrations. */
const SUBNETS: Record<Exclude<Network, 'public'>, string[]> = {
  loopback: ['127.0.0.0/8', '::1/128'],
  'link-local': ['169.254.0.0/16', 'fe80::/10'],
  private: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', '198.18.0.0/15', 'fc00::/7', 'fec0::/10'],
  other: [
    ...['0.0.0.0/8', '192.0.0.0/24', '192.0.2.0/24', '198.51.100.0/24', '203.0.113.0/24', '224.0.0.0/4', '240.0.0.0/4'],
    // IPv6 that embeds an IPv4 address in a form other than the mapped one, which `BlockList` knows.
    ...['::/128', '64:ff9b::/96', '64:ff9b:1::/48', '2001::/32', '2002::/16', '2001:db8::/32', 'ff00::/8'],
  ],
};
const BLOCKS = Object.entries(SUBNETS).map(([network, subnets]) => {
  const block = new BlockList();
  for (const subnet of subnets) {
    const [address = '', prefix] = subnet.split('/');
    block.addSubnet(address, Number(prefix), isIP(address) === 4 ? 'ipv4' : 'ipv6');
  }
  return [network as Network, block] as const;
});

/** Returns the network of an address. @param address IPv4 or IPv6, also IPv4 in IPv6 */
export function networkOf(address: string): Network {
  // The interface in `fe80::1%eth0` does not matter here.
  const plain = address.replace(/%.*$/, '');
  const family = isIP(plain);
  if (family === 0) return 'other';
  return BLOCKS.find(([, block]) => block.check(plain, family === 4 ? 'ipv4' : 'ipv6'))?.[0] ?? 'public';
}

/** Returns the network of a host that is an address or `localhost`; undefined for a name that needs a lookup. */
export function networkOfHost(hostname: string): Network | undefined {
  const bare = hostname.replace(/^\[|\]$/g, '');
  if (isIP(bare) !== 0) return networkOf(bare);
  return /(^|\.)localhost\.?$/.test(bare) ? 'loopback' : undefined;
}

/** Checks a host that is an address or `localhost`. @throws an error of code `OUT_OF_REACH` when its network is not allowed */
export function checkHost(hostname: string, reach: Reach): void {
  const network = networkOfHost(hostname);
  if (network !== undefined && !reach.has(network)) throw outOfReach(network);
}

/** Looks names up like `dns.lookup`. Refuses a name if any of its addresses is out of reach. */
export function lookupWithin(reach: Reach): LookupFunction {
  return (hostname, options, callback) => {
    dns.lookup(hostname, { ...options, all: true }, (error, addresses: LookupAddress[]) => {
      if (error) return callback(error, '');
      const stray = addresses.map(({ address }) => networkOf(address)).find(network => !reach.has(network));
      if (stray !== undefined) return callback(outOfReach(stray), '');
      const [first] = addresses;
      if (options.all) callback(null, addresses);
      else callback(null, first?.address ?? '', first?.family);
    });
  };
}

function outOfReach(network: Network): NodeJS.ErrnoException {
  return Object.assign(new Error(`${network} address`), { code: OUT_OF_REACH });
}
