/** Proxies: downloads go through the one the environment names, loopback never does. */
import { EnvHttpProxyAgent } from 'undici';

const LOOPBACK = ['localhost', '127.0.0.1', '::1', '[::1]'];
const PROXIES = ['HTTPS_PROXY', 'HTTP_PROXY', 'ALL_PROXY', 'GRPC_PROXY'];

/**
 * The environment with loopback in NO_PROXY and no_proxy, beside what they hold; the same object where no proxy is named.
 * Programs differ in which of the two they read, so both get all.
 */
export function withLoopbackExempt(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const named = PROXIES.some(name => env[name] || env[name.toLowerCase()]);
  if (!named) return env;
  const exempt = noProxy(env);
  return env.NO_PROXY === exempt && env.no_proxy === exempt ? env : { ...env, NO_PROXY: exempt, no_proxy: exempt };
}

/** The same for this process itself: gRPC and other clients in it read its environment at every connection. */
export function exemptLoopback(env: NodeJS.ProcessEnv = process.env): void {
  Object.assign(env, withLoopbackExempt(env));
}

/** Sends undici's requests the way the environment says. NODE_EXTRA_CA_CERTS needs no help: Node reads it when it starts. */
export function proxyDispatcher(env: NodeJS.ProcessEnv): EnvHttpProxyAgent {
  return new EnvHttpProxyAgent({
    // An empty string keeps undici from looking into this process's own environment.
    httpProxy: env.http_proxy || env.HTTP_PROXY || '',
    httpsProxy: env.https_proxy || env.HTTPS_PROXY || '',
    noProxy: noProxy(env),
  });
}

/** The proxies that the environment names, for people: without passwords. `[]` when there are none. */
export function describeProxies(env: NodeJS.ProcessEnv): string[] {
  return PROXIES.flatMap(name => {
    const value = env[name.toLowerCase()] || env[name];
    return value ? [`${name} ${withoutPassword(value)}`] : [];
  });
}

function noProxy(env: NodeJS.ProcessEnv): string {
  const hosts = `${env.no_proxy ?? ''},${env.NO_PROXY ?? ''}`.split(/[,\s]+/).filter(host => host !== '');
  return hosts.includes('*') ? '*' : [...new Set([...hosts, ...LOOPBACK])].join(',');
}

function withoutPassword(address: string): string {
  return address.replace(/\/\/[^/@]*@/, '//…@');
}
