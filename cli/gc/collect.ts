/** `retinopathy gc`: lists unreferenced objects of a store, and deletes them with `--delete`. */
import { resolve } from 'node:path';
import colors from 'picocolors';
import { bytes, table, whole } from '../../lib/format.ts';
import { UserError } from '../../lib/user-error.ts';
import { readStoreId } from '../../storage/identity.ts';
import { openStore } from '../../storage/open.ts';
import type { ArtifactStore } from '../../storage/store.ts';
import { openStoreOf } from '../local/resolve-store.ts';
import { readOutState } from '../local/run-dir.ts';
import { look, sweep } from './sweep.ts';
import type { Sweep } from './unreferenced.ts';

export interface GcOptions {
  store?: string;
  out: string;
  delete?: boolean;
  minAge: string;
  forget: string[];
  json?: boolean;
}

const UNITS = { m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** Lists the unreferenced objects, or deletes them. @returns the exit status; @throws UserError */
export async function gc(options: GcOptions): Promise<number> {
  const store = await storeOf(options);
  const id = await readStoreId(store);
  if (options.delete && id === undefined) {
    throw new UserError(
      `Expected ${store.url} to be a store that a run or a worker has opened, got none: nothing is removed`,
    );
  }
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

async function storeOf(options: GcOptions): Promise<ArtifactStore> {
  const url = options.store ?? process.env.RETINOPATHY_STORE;
  if (url) return openStore(url);
  const state = await readOutState(options.out);
  if (state) return openStoreOf(state);
  throw new UserError(
    `Expected --store, RETINOPATHY_STORE or --out ${resolve(options.out)} to name the store, got neither`,
  );
}

/** Parses `30m`, `24h`, `7d` or `0`. @returns ms; @throws UserError */
export function parseAge(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(m|h|d)$/.exec(text.trim());
  if (match) return Number(match[1]) * UNITS[match[2] as keyof typeof UNITS];
  if (text.trim() === '0') return 0;
  throw new UserError(`Expected --min-age to be a time such as 30m, 24h or 7d, got \`${text}\``);
}

/** Formats the result. */
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
