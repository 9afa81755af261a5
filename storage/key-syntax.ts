/** Syntax of the store's keys. */
import { quote } from '../lib/quote.ts';

const SEGMENT = /^[A-Za-z0-9_-][A-Za-z0-9._-]*$/;

export const isSegment = (text: string) => SEGMENT.test(text) && text.length <= 255;

/** Returns the key if it is valid. @throws TypeError for a key that could leave the store's folder or name its temporary files */
export function checkKey(key: string): string {
  if (key.length > 1024 || !key.split('/').every(isSegment)) {
    throw new TypeError(
      `Expected a key of segments [A-Za-z0-9._-] that begin with no dot, joined by /, got "${quote(key, 200)}"`,
    );
  }
  return key;
}

/** Encodes an outside name (a workflow's id, a URL) as one segment. A character that is not allowed becomes its code in hex. */
export function keySegment(name: string): string {
  const safe = [...name].map(c => (/[A-Za-z0-9.-]/.test(c) ? c : `_${c.codePointAt(0)?.toString(16)}_`));
  return safe.join('').replace(/^\./, '_2e_');
}

/**
 * Longest name of a run's folder. File systems allow 255 bytes a name. SQL databases allow as much for workflow ids, and the ids
 * of a run's children are longer than its own.
 */
const MAX_RUN_NAME = 200;

/** Returns a one-line reason why a workflow's id cannot name a run; undefined when it can. */
export function runIdProblem(run: string): string | undefined {
  const { length } = keySegment(run);
  if (length > 0 && length <= MAX_RUN_NAME) return undefined;
  // Clips without `quote`, because workflow code calls this too and has no environment to redact by.
  const shown = run.length > 40 ? `${run.slice(0, 40)}…` : run;
  return `Expected the id of a run to have 1 to ${MAX_RUN_NAME} characters, of which those outside A-Z a-z 0-9 . - count several times, got ${length} (\`${shown}\`): take another one`;
}

/** Returns the folder of a run's record and report. @throws TypeError for an id that cannot name a run */
export function runFolder(run: string): string {
  const problem = runIdProblem(run);
  if (problem !== undefined) throw new TypeError(problem);
  return `runs/${keySegment(run)}`;
}

/**
 * Returns the prefix of all objects in `archives/` that belong with the given one. For a downloaded part it is the folder
 * `archives/<source>/<name>/<version>/`, with the chunks, their list and the part's record. Else it is the object alone.
 */
export const downloadOf = (key: string): string => /^archives\/[^/]+\/[^/]+\/[^/]+\//.exec(key)?.[0] ?? key;
