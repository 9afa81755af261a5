/** Exempts loopback from proxies, in this process and in its children. */

const LOOPBACK = ['localhost', '127.0.0.1', '::1', '[::1]'];
/** Variables that name a proxy. Each is also read in lowercase. */
export const PROXIES = ['HTTPS_PROXY', 'HTTP_PROXY', 'ALL_PROXY', 'GRPC_PROXY'];

/**
 * Returns the environment with loopback added to NO_PROXY and no_proxy; the same object when it names no proxy.
 * Programs differ in which of the two they read, so both get all hosts.
 */
export function withLoopbackExempt(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const named = PROXIES.some(name => env[name] || env[name.toLowerCase()]);
  if (!named) return env;
  const exempt = noProxy(env);
  return env.NO_PROXY === exempt && env.no_proxy === exempt ? env : { ...env, NO_PROXY: exempt, no_proxy: exempt };
}

/** Exempts loopback in this process's own environment, which gRPC and other clients read at every connection. */
export function exemptLoopback(env: NodeJS.ProcessEnv = process.env): void {
  Object.assign(env, withLoopbackExempt(env));
}

/** Returns the hosts that the environment exempts, and loopback; `*` when it exempts all. */
export function noProxy(env: NodeJS.ProcessEnv): string {
  const hosts = `${env.no_proxy ?? ''},${env.NO_PROXY ?? ''}`.split(/[,\s]+/).filter(host => host !== '');
  return hosts.includes('*') ? '*' : [...new Set([...hosts, ...LOOPBACK])].join(',');
}
