/** The list of what was set aside, and how much of that is too much. Pure. */
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
 * The message when too many were set aside; undefined when it may go on.
 * @param of pictures altogether, those set aside among them
 * @param most share of them that may be, `images.maxQuarantined`
 * @param place where the whole list lies
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
