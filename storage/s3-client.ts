/** The connection to S3, as the environment names it; one client for all stores of a process that share its settings. */

import { S3Client } from '@aws-sdk/client-s3';
import { defaultProvider } from '@aws-sdk/credential-provider-node';

export interface S3ClientOptions {
  env?: NodeJS.ProcessEnv;
  /** A connection that brings nothing for so long is given up. */
  idleMs?: number;
}

const SOCKETS = 64;
const CONNECT_MS = 5_000;
const IDLE_MS = 30_000;
/** The SDK's three would end a transfer for the sake of one busy second. */
const ATTEMPTS = 5;

/** A machine's own role is asked for over the network: the SDK's one second without another try is too little under load. */
const ROLE = { timeout: 2_000, maxRetries: 3 };

const clients = new Map<string, Promise<S3Client>>();

/**
 * @param options `env`: AWS_ENDPOINT_URL_S3 (another server than AWS, asked by path), AWS_REGION, and what AWS's own tools read
 * for credentials
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

/** The server that the environment names instead of AWS. */
export const endpointOf = (env: NodeJS.ProcessEnv): string | undefined =>
  env.AWS_ENDPOINT_URL_S3 || env.AWS_ENDPOINT_URL || undefined;

async function makeClient(env: NodeJS.ProcessEnv, idleMs: number): Promise<S3Client> {
  // It says what versions of the SDK to come will need, which is no news for who starts a run.
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true';
  const agent = { maxSockets: SOCKETS };
  const endpoint = endpointOf(env);
  return new S3Client({
    region: env.AWS_REGION || env.AWS_DEFAULT_REGION || (await configuredRegion()),
    ...(endpoint && { endpoint, forcePathStyle: true }),
    credentials: keysOf(env) ?? defaultProvider(ROLE),
    maxAttempts: Number(env.AWS_MAX_ATTEMPTS) || ATTEMPTS,
    // Otherwise every part would cost a connection of its own.
    expectContinueHeader: false,
    // We send and compare CRC-32C ourselves; bodies stay as they are, which every server understands.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: { connectionTimeout: CONNECT_MS, socketTimeout: idleMs, httpAgent: agent, httpsAgent: agent },
  });
}

/** The SDK's own search, in AWS's order, knows this process's environment only: another one is asked for its keys here. */
function keysOf(env: NodeJS.ProcessEnv) {
  const {
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    AWS_SESSION_TOKEN: sessionToken,
  } = env;
  if (env === process.env || !accessKeyId || !secretAccessKey) return undefined;
  return { accessKeyId, secretAccessKey, ...(sessionToken && { sessionToken }) };
}

/** The region of the profile in `~/.aws/config`; compatible servers take any. */
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
