/** Keeps loopback away from proxies, in this process and in its children. */

const LOOPBACK = ['localhost', '127.0.0.1', '::1', '[::1]'];
/** Each is read in small letters as well. */
export const PROXIES = ['HTTPS_PROXY', 'HTTP_PROXY', 'ALL_PROXY', 'GRPC_PROXY'];

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

/** What the environment exempts already, and loopback; `*` where it exempts all. */
export function noProxy(env: NodeJS.ProcessEnv): string {
  const hosts = `${env.no_proxy ?? ''},${env.NO_PROXY ?? ''}`.split(/[,\s]+/).filter(host => host !== '');
  return hosts.includes('*') ? '*' : [...new Set([...hosts, ...LOOPBACK])].join(',');
}
