/** Sends downloads through the proxy that the environment names. */
import { type Agent, type Dispatcher, EnvHttpProxyAgent, Pool } from 'undici';
import { noProxy, PROXIES } from './no-proxy.ts';
import { codeOf, judgeCode, judgeStatus } from './system-errors.ts';

/** An error of the proxy that the environment names, not of the server behind it. The message holds no password. */
export class ProxyFault extends Error {
  override readonly name = 'ProxyFault';
  /** No retry fixes it: the setting must change. */
  readonly final: boolean;

  constructor(message: string, { final, ...options }: ErrorOptions & { final: boolean }) {
    super(message, options);
    this.final = final;
  }
}

/**
 * Creates a dispatcher that sends undici's requests through the proxies of the environment. It ignores NODE_EXTRA_CA_CERTS, which
 * Node itself reads when it starts.
 * @throws ProxyFault when a setting is no address; requests reject with one when the proxy does not connect
 */
export function proxyDispatcher(env: NodeJS.ProcessEnv, options: Agent.Options = {}): EnvHttpProxyAgent {
  const [http, https] = [readProxy('HTTP_PROXY', env), readProxy('HTTPS_PROXY', env)];
  return new EnvHttpProxyAgent({
    ...options,
    // An empty string keeps undici from reading this process's own environment.
    httpProxy: http,
    httpsProxy: https,
    noProxy: noProxy(env),
    clientFactory: (url: URL, ofProxy: object) =>
      new ProxyPool(url.origin, {
        ...ofProxy,
        ...(options.headersTimeout !== undefined && { headersTimeout: options.headersTimeout }),
        variable: https !== '' && new URL(https).origin === url.origin ? 'HTTPS_PROXY' : 'HTTP_PROXY',
      }),
  } as EnvHttpProxyAgent.Options);
}

/** Reads a proxy's address. Like curl, treats one without a scheme as an HTTP proxy. @throws ProxyFault when it is no address */
function readProxy(name: string, env: NodeJS.ProcessEnv): string {
  const value = env[name.toLowerCase()] || env[name] || '';
  const address = value === '' || /^[a-z0-9+.-]+:\/\//i.test(value) ? value : `http://${value}`;
  if (address === '' || (URL.canParse(address) && /^(https?|socks5?):/i.test(address))) return address;
  throw new ProxyFault(`Expected ${name} to be http://HOST:PORT, got something else: correct it`, { final: true });
}

/** Connections to a proxy. `connect` rejects with a ProxyFault when the proxy does not connect to the server. */
class ProxyPool extends Pool {
  readonly #proxy: string;
  readonly #variable: string;

  constructor(origin: string, { variable, ...options }: Pool.Options & { variable: string }) {
    super(origin, options);
    this.#proxy = `${new URL(origin).host} (${variable})`;
    this.#variable = variable;
  }

  override async connect(options: Dispatcher.ConnectOptions): Promise<Dispatcher.ConnectData> {
    const answer = await super.connect(options).catch((error: Error) => {
      if (options.signal && (options.signal as AbortSignal).aborted) throw error;
      throw this.#fault(options, codeOf(error) || error.name, judgeCode(codeOf(error)) === 'final', error);
    });
    const { statusCode, socket } = answer;
    if (statusCode === 200) return answer;
    socket.on('error', () => {}).destroy();
    throw this.#fault(options, String(statusCode), judgeStatus(statusCode) !== 'passing');
  }

  #fault({ path }: Dispatcher.ConnectOptions, got: string, final: boolean, cause?: Error): ProxyFault {
    const cure =
      got === '407'
        ? 'put its user and password into that address'
        : `correct ${this.#variable}, or add the host to NO_PROXY`;
    return new ProxyFault(`Expected the proxy ${this.#proxy} to connect to ${path}, got ${got}: ${cure}`, {
      final,
      cause,
    });
  }
}

/** Returns the proxy that gRPC uses for a service, for messages: `proxy.example:3128 (https_proxy)`; undefined when it uses none. */
export function grpcProxy(address: string, env: NodeJS.ProcessEnv): string | undefined {
  const variable = ['grpc_proxy', 'https_proxy', 'http_proxy'].find(name => env[name]);
  const proxy = variable && env[variable]!;
  if (!proxy || !URL.canParse(proxy)) return undefined;
  const host = address.replace(/:\d+$/, '');
  const exempt = (env.no_grpc_proxy || env.no_proxy || '').split(',').map(entry => entry.trim());
  if (exempt.some(entry => entry !== '' && (host === entry || host.endsWith(`.${entry.replace(/^\./, '')}`))))
    return undefined;
  return `${new URL(proxy).host} (${variable})`;
}

/** Returns the proxies that the environment names, for messages: without passwords. `[]` when there are none. */
export function describeProxies(env: NodeJS.ProcessEnv): string[] {
  return PROXIES.flatMap(name => {
    const value = env[name.toLowerCase()] || env[name];
    return value ? [`${name} ${withoutPassword(value)}`] : [];
  });
}

/** Returns scheme, host and port alone. All other text may be a password, also text before the last of several `@`. */
function withoutPassword(address: string): string {
  const scheme = /^[a-z][a-z\d]{1,9}:\/\//i.exec(address)?.[0] ?? '';
  const rest = address.slice(scheme.length);
  const at = rest.lastIndexOf('@');
  const host = /^([\w.-]{1,253}|\[[\da-f:.]{2,45}\])(:\d{1,5})?(?=\/|$)/i.exec(rest.slice(at + 1))?.[0];
  return host === undefined ? 'an address that cannot be read' : `${scheme}${at < 0 ? '' : '…@'}${host}`;
}
