/** Download settings that a worker's environment may change. */
import { quote } from '../../lib/quote.ts';
import { CHUNK_SIZE } from '../../storage/large.ts';
import { PATIENCE, type Patience } from './retry.ts';

export interface DownloadSettings {
  /** Bytes of a chunk. */
  chunkSize: number;
  /** Connections that this process may hold at once, over all files. */
  connections: number;
  patience: Patience;
  /** Milliseconds without a byte after which a connection is closed: a stalled one is cheaper to replace than to wait for. */
  silenceMs: number;
  /** Milliseconds after which a connection that is much slower than the others is replaced. */
  slowMs: number;
}

/** Five files with four connections each. */
const CONNECTIONS = 20;
const SILENCE_MS = 30_000;
const SLOW_MS = 30_000;

/**
 * Reads the settings.
 * @param env RETINOPATHY_CONNECTIONS: connections at once
 * @throws RangeError with one line for a person
 */
export function downloadSettings(env: NodeJS.ProcessEnv): DownloadSettings {
  return {
    chunkSize: CHUNK_SIZE,
    connections: whole(env, 'RETINOPATHY_CONNECTIONS', CONNECTIONS, 1, 256),
    patience: PATIENCE,
    silenceMs: SILENCE_MS,
    slowMs: SLOW_MS,
  };
}

function whole(env: NodeJS.ProcessEnv, name: string, usual: number, least: number, most: number): number {
  const text = env[name];
  if (text === undefined || text === '') return usual;
  const value = Number(text);
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new RangeError(`Expected ${name} to be a whole number from ${least} to ${most}, got \`${quote(text)}\``);
}
