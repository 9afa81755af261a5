/** Which store a start uses. */
import { join, resolve } from 'node:path';
import type { OutFolder, OutState } from './out-folder.ts';
import type { RunOptions } from './run-options.ts';
import { UserError } from './user-error.ts';

/**
 * The store of `--store`, else the one of the last start, else `<out>/store`. `--fresh` takes an empty one beside it, named by
 * the time: nothing made before is seen, and a killed fresh run goes on where it was when it is started without `--fresh`.
 */
export async function chooseStore(
  options: Pick<RunOptions, 'store' | 'fresh'>,
  out: Pick<OutFolder, 'path'>,
  last: OutState | undefined,
): Promise<string> {
  const asked = options.store === undefined ? undefined : normalised(options.store);
  const usual = asked ?? last?.store ?? `file:${join(out.path, 'store')}`;
  if (!options.fresh) return usual;
  const stamp = new Date().toISOString().slice(0, 19).replaceAll(/\D/g, '');
  return `${usual.replace(/-fresh-\d+$/, '').replace(/\/$/, '')}-fresh-${stamp}`;
}

function normalised(store: string): string {
  if (store.startsWith('file:')) return `file:${resolve(store.slice('file:'.length).replace(/^\/\/(?=\/)/, ''))}`;
  if (/^s3:\/\/[^/]+/.test(store)) return store;
  throw new UserError(`Expected --store to be file:DIR or s3://bucket/prefix, got \`${store}\``);
}
