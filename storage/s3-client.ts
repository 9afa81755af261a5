/** The S3 client, configured by the environment. All stores of a process with the same settings share one client. */

import { S3Client } from '@aws-sdk/client-s3';
import { defaultProvider } from '@aws-sdk/credential-provider-node';

export interface S3ClientOptions {
  env?: NodeJS.ProcessEnv;
  /** Milliseconds after which a silent connection is closed. */
  idleMs?: number;
}

const SOCKETS = 64;
const CONNECT_MS = 5_000;
const IDLE_MS = 30_000;
/** The SDK's default of three would fail a transfer because of one busy second. */
const ATTEMPTS = 5;

/** Settings for the machine's own role, which is fetched over the network. The SDK's one second without a retry fails under load. */
const ROLE = { timeout: 2_000, maxRetries: 3 };

const clients = new Map<string, Promise<S3Client>>();

/**
 * Returns the client for the settings of the environment.
 * @param options `env`: AWS_ENDPOINT_URL_S3 (a server other than AWS, with path-style addresses), AWS_REGION, and the variables
 *   of AWS's own tools for credentials
 */
export function s3Client({ env = process.env, idleMs = IDLE_MS }: S3ClientOptions = {}): Promise<S3Client> {
  const settings = Object.entries(env).filter(([name]) => name.startsWith('AWS_'));
  const name = JSON.stringify([idleMs, settings.sort()]);
  let client = clients.get(name);
  if (!client) {
    client = makeClient(env, idleMs);
    clients.set(name, client);
  }
  return client;
}

/**
 * Returns the server that the environment names instead of AWS.
 * @throws Error with a one-line message when it is no address. The message does not quote it, because it may hold a password
 */
export function endpointOf(env: NodeJS.ProcessEnv): string | undefined {
  const name = env.AWS_ENDPOINT_URL_S3 ? 'AWS_ENDPOINT_URL_S3' : 'AWS_ENDPOINT_URL';
  const endpoint = env[name];
  if (!endpoint) return undefined;
  if (/^https?:\/\//i.test(endpoint) && URL.canParse(endpoint)) return endpoint;
  throw new Error(
    `Expected ${name} to be http://HOST[:PORT] or https://HOST[:PORT], got ${/^[a-z0-9+.-]+:\/\//i.test(endpoint) ? 'another address' : 'one without http:// or https://'}: correct it`,
  );
}

async function makeClient(env: NodeJS.ProcessEnv, idleMs: number): Promise<S3Client> {
  // The warning is about the needs of future SDK versions, which do not concern the user of a run.
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true';
  const agent = { maxSockets: SOCKETS };
  const endpoint = endpointOf(env);
  const client = new S3Client({
    region: checkedRegion(env.AWS_REGION || env.AWS_DEFAULT_REGION || (await configuredRegion())),
    ...(endpoint && { endpoint, forcePathStyle: true }),
    credentials: keysOf(env) ?? defaultProvider(ROLE),
    maxAttempts: Number(env.AWS_MAX_ATTEMPTS) || ATTEMPTS,
    // Otherwise every chunk would need a connection of its own.
    expectContinueHeader: false,
    // The store sends and compares CRC-32C itself. Bodies stay unencoded, which every server understands.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: { connectionTimeout: CONNECT_MS, socketTimeout: idleMs, httpAgent: agent, httpsAgent: agent },
  });
  // The signed CRC-32C covers the bytes. A SHA-256 of them would cost as much as sending them.
  client.middlewareStack.add(
    next => args => {
      const { headers } = args.request as { headers: Record<string, string> };
      if ('x-amz-checksum-crc32c' in headers) headers['x-amz-content-sha256'] = 'UNSIGNED-PAYLOAD';
      return next(args);
    },
    { step: 'build', priority: 'low' },
  );
  return client;
}

/** Returns the keys of an environment other than this process's. The SDK's own search reads only the process's. */
function keysOf(env: NodeJS.ProcessEnv) {
  const {
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    AWS_SESSION_TOKEN: sessionToken,
  } = env;
  if (env === process.env || !accessKeyId || !secretAccessKey) return undefined;
  return { accessKeyId, secretAccessKey, ...(sessionToken && { sessionToken }) };
}

/** Checks that a region can be a part of the server's name. @throws Error with a one-line message when it cannot */
function checkedRegion(region: string): string {
  if (/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/i.test(region)) return region;
  throw new Error(`Expected AWS_REGION, or the profile's region, to be one such as eu-west-1, got \`${region}\``);
}

/** Returns the region of the profile in `~/.aws/config`; `us-east-1` when there is none, as compatible servers accept any. */
async function configuredRegion(): Promise<string> {
  const client = new S3Client();
  try {
    return await client.config.region();
  } catch {
    return 'us-east-1';
  } finally {
    client.destroy();
  }
}
