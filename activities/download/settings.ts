/** What a worker's environment may set about its transfers. */
import { PATIENCE, type Patience } from './retries.ts';
import { SEGMENTS, type SegmentSettings } from './segments.ts';

export interface DownloadSettings {
  segments: SegmentSettings;
  /** Connections that this process may hold at once, over all files. */
  connections: number;
  patience: Patience;
  /** Milliseconds without a byte after which a connection is given up: a stalled one is cheaper to replace than to wait for. */
  silenceMs: number;
}

const MIB = 1 << 20;
/** Five files with four each. */
const CONNECTIONS = 20;
const SILENCE_MS = 30_000;

/**
 * @param env RETINOPATHY_SEGMENT_MB: bytes of a segment in MiB; RETINOPATHY_CONNECTIONS: connections at once
 * @throws RangeError with one line for a person
 */
export function downloadSettings(env: NodeJS.ProcessEnv): DownloadSettings {
  const partSize = whole(env, 'RETINOPATHY_SEGMENT_MB', SEGMENTS.partSize / MIB, 5, 1024) * MIB;
  const connections = whole(env, 'RETINOPATHY_CONNECTIONS', CONNECTIONS, 1, 256);
  return { segments: { ...SEGMENTS, partSize }, connections, patience: PATIENCE, silenceMs: SILENCE_MS };
}

function whole(env: NodeJS.ProcessEnv, name: string, usual: number, least: number, most: number): number {
  const text = env[name];
  if (text === undefined || text === '') return usual;
  const value = Number(text);
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new RangeError(`Expected ${name} to be a whole number from ${least} to ${most}, got \`${text}\``);
}
