/**
 * Reads libjpeg's messages for one JPEG. A separate process decodes it alone, because libvips keeps the messages of all threads in
 * one buffer. Of several decodes at once each may get another's message or none.
 */
import { fileURLToPath } from 'node:url';
import { runChild } from '../../lib/process/child-process.ts';

/** Output of ask-libjpeg.mjs. */
interface Said {
  /** The message that ended the decode; empty when it completed. */
  error: string;
  /** The first warning; libjpeg does not print later ones. */
  warning: string;
  /** The number of warnings. */
  warnings: number;
}

const SCRIPT = fileURLToPath(new URL('ask-libjpeg.mjs', import.meta.url));
/** JavaScript's own memory. The image is decoded outside of it. */
const HEAP_MIB = 64;
/** An image within the memory limit takes a few seconds at most. */
const TIMEOUT_MS = 120_000;
const MAX_MESSAGE = 100;
export const CUT_SHORT = 'one that is cut short';

/** Warnings after which every pixel is right. */
const HARMLESS = [
  /^Corrupt JPEG data: found marker 0x.. instead of RST\d$/,
  /^Warning: unknown JFIF revision number/,
  /^Unknown Adobe color transform code/,
  /^Invalid SOS parameters for sequential JPEG$/,
];
const EXTRANEOUS = /^Corrupt JPEG data: \d+ extraneous bytes before marker 0x(..)$/;
const [FIRST_RESTART, LAST_RESTART] = [0xd0, 0xd7];
/** Huffman table, scan, restart interval. */
const BETWEEN_SCANS = [0xc4, 0xda, 0xdd];

/**
 * Decodes a JPEG once more and classifies libjpeg's messages.
 * @param options `multiScan`: the JPEG is progressive, or otherwise in several scans
 * @returns a description of the damage; undefined when all pixels are right
 * @throws the signal's reason; an error when the process fails or takes too long
 */
export async function findDamage(
  jpeg: Uint8Array,
  { multiScan, signal }: { multiScan: boolean; signal?: AbortSignal | undefined },
): Promise<string | undefined> {
  const { error, warning, warnings } = await askLibjpeg(jpeg, signal);
  if (error.includes('premature end of JPEG image')) return CUT_SHORT;
  if (error !== '') return `data that libjpeg refuses: ${shorten(error)}`;
  // A second warning may hide behind a harmless one, for instance where the bytes of an interval are missing.
  if (warnings === 0 || (warnings === 1 && isHarmless(warning, multiScan))) return undefined;
  return `damaged data: ${shorten(warning)}${warnings === 1 ? '' : ` (and ${warnings - 1} more)`}`;
}

function isHarmless(warning: string, multiScan: boolean): boolean {
  const before = Number.parseInt(EXTRANEOUS.exec(warning)?.[1] ?? '', 16);
  if (Number.isNaN(before)) return HARMLESS.some(each => each.test(warning));
  // Bytes left over where a decoder expects the end of data: the data before them was misread.
  const afterData =
    (before >= FIRST_RESTART && before <= LAST_RESTART) || (multiScan && BETWEEN_SCANS.includes(before));
  return !afterData;
}

async function askLibjpeg(jpeg: Uint8Array, signal: AbortSignal | undefined): Promise<Said> {
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  let answer = '';
  const exit = await runChild([process.execPath, `--max-old-space-size=${HEAP_MIB}`, SCRIPT], {
    input: jpeg,
    signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    stopSignal: 'SIGKILL',
    onLine: (line, from) => {
      if (from === 'stdout') answer = line;
    },
  });
  signal?.throwIfAborted();
  if (exit.code === 0) return JSON.parse(answer) as Said;
  const got = timeout.aborted ? `none within ${TIMEOUT_MS / 1000} s` : (exit.signal ?? `exit code ${exit.code}`);
  throw new Error(
    `Expected libjpeg's messages from a process of their own, got ${got}: give the worker more memory or fewer tasks at once`,
  );
}

function shorten(message: string): string {
  return message.replace(/^Corrupt JPEG data: /, '').slice(0, MAX_MESSAGE);
}
