/** `retinopathy gc`: what no run refers to, shown, and removed where that is asked for. */
import { resolve } from 'node:path';
import colors from 'picocolors';
import { look, sweep } from '../housekeeping/sweep.ts';
import type { Sweep } from '../housekeeping/unreferenced.ts';
import { openStore } from '../storage/open.ts';
import { bytes, table, whole } from './format.ts';
import { readOutState } from './out-folder.ts';
import { UserError } from './user-error.ts';

export interface GcOptions {
  store?: string;
  out: string;
  delete?: boolean;
  minAge: string;
  forget: string[];
  json?: boolean;
}

const UNITS = { m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** @returns the exit status; @throws UserError */
export async function gc(options: GcOptions): Promise<number> {
  const url = options.store ?? process.env.RETINOPATHY_STORE ?? (await readOutState(options.out))?.store;
  if (!url) {
    throw new UserError(
      `Expected --store, RETINOPATHY_STORE or --out ${resolve(options.out)} to name the store, got neither`,
    );
  }
  const store = await openStore(url);
  const before = Date.now() - parseAge(options.minAge);
  const forget = new Set(options.forget);
  const write = (line: string) => process.stdout.write(`${line}\n`);
  const first = await look(store, { before, forget: new Set() });
  for (const run of forget) {
    if (first.runs.includes(run)) continue;
    throw new UserError(
      `Expected a run ${run} in ${store.url}, got none; what is left of one that is gone goes without --forget`,
    );
  }
  const found = options.delete
    ? await sweep(store, { before, forget }, ({ what }) => options.json || write(`  removed ${what}`))
    : await look(store, { before, forget });
  if (options.json) write(JSON.stringify({ store: store.url, deleted: Boolean(options.delete), ...found }, null, 2));
  else for (const line of sweepLines(found, store.url, Boolean(options.delete))) write(line);
  return 0;
}

/** `30m`, `24h`, `7d` or `0`. @returns ms */
export function parseAge(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(m|h|d)$/.exec(text.trim());
  if (match) return Number(match[1]) * UNITS[match[2] as keyof typeof UNITS];
  if (text.trim() === '0') return 0;
  throw new UserError(`Expected --min-age to be a time such as 30m, 24h or 7d, got \`${text}\``);
}

/** What was found, as lines for people. */
export function sweepLines({ leftovers, young, unfinished, kept }: Sweep, url: string, deleted: boolean): string[] {
  const all = leftovers.reduce((sum, leftover) => sum + leftover.bytes, 0);
  const rows = leftovers.map(({ what, bytes: size, keys, reason }) => [what, bytes(size), whole(keys.length), reason]);
  const [head = '', ...body] = table([['what no run refers to', 'size', 'objects', 'why'], ...rows]);
  const lines = leftovers.length > 0 ? ['', `  ${colors.dim(head)}`, ...body.map(line => `  ${line}`), ''] : [];
  lines.push(
    `  ${url}: ${deleted ? 'freed' : 'to free'} ${bytes(all)} in ${whole(leftovers.length)} places, kept ${bytes(kept.bytes)}`,
  );
  if (young.objects > 0) {
    lines.push(
      `  ${bytes(young.bytes)} more that no run refers to are younger than --min-age: somebody may be about to`,
    );
  }
  for (const run of unfinished) {
    lines.push(
      `  ${run} is not finished, or has ended just now: all it has opened is kept (--forget ${run} gives it up)`,
    );
  }
  if (!deleted && leftovers.length > 0) lines.push(`  ${colors.dim('Nothing was removed: --delete does it')}`);
  return lines;
}
