/** What somebody may have meant. */

/** The known name that is at most two letters away. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  return known
    .map(other => [distance(name.toLowerCase(), other.toLowerCase()), other] as const)
    .filter(([letters]) => letters <= 2)
    .sort(([a], [b]) => a - b)[0]?.[1];
}

/** Levenshtein distance. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(next[j - 1]! + 1, row[j]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length]!;
}
