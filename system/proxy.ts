/** Downloads go through the proxy that the environment names. */
import { EnvHttpProxyAgent } from 'undici';
import { noProxy, PROXIES } from './no-proxy.ts';

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

function withoutPassword(address: string): string {
  return address.replace(/\/\/[^/@]*@/, '//…@');
}
