/**
 * Watches for the end of a Spot machine. AWS sends a notice two minutes ahead where it can, and sometimes an earlier recommendation.
 * EC2's instance metadata service, version 2, wants a token with every request.
 */
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { parseJson } from '../lib/json.ts';
import { quote, reasonOf } from '../lib/quote.ts';
import type { Reason } from './graceful-shutdown.ts';

/** Interval that AWS recommends. */
const EVERY_MS = 5_000;
/** Time before the end of the machine at which running activities are stopped. */
const STOP_BEFORE_MS = 20_000;
/** Short, because the machine's own host answers. */
const TIMEOUT_MS = 1_000;
const TOKEN_SECONDS = '60';
const LINK_LOCAL = 'http://169.254.169.254';

/** Returns whether this worker watches for Spot notices of its machine. */
export function watchesSpot(env: NodeJS.ProcessEnv): boolean {
  if (env.AWS_EC2_METADATA_DISABLED?.toLowerCase() === 'true') return false;
  // Workers of `npm start` start and end with it.
  return env.RETINOPATHY_EMBEDDED !== '1' || Boolean(env.AWS_EC2_METADATA_SERVICE_ENDPOINT);
}

/**
 * Asks every five seconds. Stops after the first request where there is no metadata service.
 * @param onReason called for a rebalance recommendation and for a notice; a notice is the last call
 * @returns a function that stops the watch
 * @throws Error with a one-line message when AWS_EC2_METADATA_SERVICE_ENDPOINT is not an http:// address
 */
export function watchSpotNotices(
  env: NodeJS.ProcessEnv,
  log: Logger,
  onReason: (reason: Reason) => void,
  everyMs = EVERY_MS,
): () => void {
  const base = env.AWS_EC2_METADATA_SERVICE_ENDPOINT || LINK_LOCAL;
  if (!URL.canParse(base) || new URL(base).protocol !== 'http:')
    throw new Error(`Expected AWS_EC2_METADATA_SERVICE_ENDPOINT to be an http:// address, got \`${quote(base)}\``);
  const stopped = new AbortController();
  const { signal } = stopped;

  const watch = async (): Promise<void> => {
    if (!(await tokenOf(base).catch(() => ''))) {
      log.info('no EC2 metadata service here: Spot notices are not watched');
      return;
    }
    log.info('Spot notices are watched');
    let silent = false;
    let recommended = false;
    while (!signal.aborted) {
      try {
        const notice = await readMetadata(base, 'spot/instance-action');
        const recommendation =
          notice ?? (recommended ? '' : await readMetadata(base, 'events/recommendations/rebalance'));
        if (signal.aborted) return;
        if (notice !== undefined) return onReason(readNotice(notice));
        if (recommendation) {
          recommended = true;
          onReason({
            why: 'rebalance recommendation: Spot may soon take this machine',
            by: Number.POSITIVE_INFINITY,
          });
        }
        if (silent) log.info('Spot notices are heard again');
        silent = false;
      } catch (error) {
        if (!silent) log.warn(`Spot notices are not heard: ${reasonOf(error)} (${base})`);
        silent = true;
      }
      await sleep(everyMs, undefined, { signal }).catch(() => {});
    }
  };
  void watch();
  return () => stopped.abort();
}

/** Parses `{"action": "terminate", "time": "2017-09-18T08:22:00Z"}`. A notice that cannot be read leaves no time. */
export function readNotice(json: string): Reason {
  const notice: { action?: unknown; time?: unknown } = Object(parseJson(json));
  const action = String(notice.action ?? 'of an unknown kind');
  const time = Date.parse(String(notice.time));
  // A machine hibernates at once, and its processes wake up after other workers have done their work.
  const by = action === 'hibernate' || Number.isNaN(time) ? 0 : time - STOP_BEFORE_MS;
  return { why: `Spot notice: ${action}`, by };
}

/** Returns the text at a path under `/latest/meta-data/`; undefined where there is none. */
async function readMetadata(base: string, path: string): Promise<string | undefined> {
  const token = await tokenOf(base);
  const { status, body } = await ask(base, 'GET', `/latest/meta-data/${path}`, { 'X-aws-ec2-metadata-token': token });
  if (status === 404) return undefined;
  if (status !== 200) throw new Error(`HTTP ${status} for ${path}`);
  return body;
}

async function tokenOf(base: string): Promise<string> {
  const { status, body } = await ask(base, 'PUT', '/latest/api/token', {
    'X-aws-ec2-metadata-token-ttl-seconds': TOKEN_SECONDS,
  });
  if (status !== 200) throw new Error(`HTTP ${status} for a token`);
  return body;
}

/** Sends a request with Node's own client, because the service is never behind the proxy that the environment may name. */
async function ask(base: string, method: string, path: string, headers: Record<string, string>) {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  const asking = request(new URL(path, base), { method, headers, agent: false, signal }).end();
  asking.on('error', () => {});
  const [response] = (await once(asking, 'response')) as [IncomingMessage];
  return { status: response.statusCode ?? 0, body: await text(response) };
}
