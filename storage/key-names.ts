/** What a key may look like. */

const SEGMENT = /^[A-Za-z0-9_-][A-Za-z0-9._-]*$/;

export const isSegment = (text: string) => SEGMENT.test(text) && text.length <= 255;

/** @throws TypeError for a key that could leave the store's folder or meet its temporary files */
export function checkKey(key: string): string {
  if (key.length > 1024 || !key.split('/').every(isSegment)) {
    throw new TypeError(
      `Expected a key of segments [A-Za-z0-9._-] that begin with no dot, joined by /, got ${JSON.stringify(key)}`,
    );
  }
  return key;
}

/** A name from outside (a workflow's id, a URL) as one segment: what a key cannot hold is written as its code in hex. */
export function keySegment(name: string): string {
  const safe = [...name].map(c => (/[A-Za-z0-9.-]/.test(c) ? c : `_${c.codePointAt(0)?.toString(16)}_`));
  return safe.join('').replace(/^\./, '_2e_');
}

/** Where a run's record and report lie. */
export const runFolder = (run: string): string => `runs/${keySegment(run)}`;
