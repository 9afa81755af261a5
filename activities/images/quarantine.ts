/** Formats the quarantine list, and checks it against its limit. Pure. */
import type { QuarantinedEntry } from './types.ts';

/** Lines of the list that an error message shows. */
const SHOWN = 5;

export function formatQuarantine(entries: readonly QuarantinedEntry[]): string {
  return entries.map(({ entry, image, reason }) => `${JSON.stringify({ entry, image, reason })}\n`).join('');
}

export function parseQuarantine(text: string): QuarantinedEntry[] {
  return text
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line) as QuarantinedEntry);
}

/**
 * Returns the message when too many entries are quarantined; undefined otherwise.
 * @param of number of all images, including quarantined ones
 * @param most share of them that may be quarantined, `images.maxQuarantined`
 * @param place location of the whole list
 */
export function tooManyQuarantined(
  entries: readonly QuarantinedEntry[],
  of: number,
  most: number,
  place: string,
): string | undefined {
  if (entries.length <= of * most) return undefined;
  const lines = entries.slice(0, SHOWN).map(({ entry, reason }) => `  ${JSON.stringify(entry)}: ${reason}`);
  if (entries.length > SHOWN) lines.push(`  … and ${entries.length - SHOWN} more`);
  return [
    `Expected at most ${percent(most)} of ${of} pictures to be set aside, got ${entries.length} (${percent(entries.length / of)}): look at ${place}, or raise images.maxQuarantined`,
    ...lines,
  ].join('\n');
}

function percent(share: number): string {
  return `${Number((share * 100).toPrecision(2))} %`;
}
