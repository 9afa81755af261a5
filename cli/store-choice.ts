/** Which store a start uses. */
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseS3Url } from '../storage/s3-url.ts';
import type { ArtifactStore } from '../storage/store.ts';
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
  const before = usual.replace(/[-/]fresh-\d+$/, '').replace(/\/$/, '');
  // A bucket itself has no place beside it.
  return /^s3:\/\/[^/]+$/.test(before) ? `${before}/fresh-${stamp}` : `${before}-fresh-${stamp}`;
}

function normalised(store: string): string {
  if (store.startsWith('file:')) return `file:${resolve(store.slice('file:'.length).replace(/^\/\/(?=\/)/, ''))}`;
  if (store.startsWith('s3:')) {
    try {
      return parseS3Url(store).url;
    } catch (error) {
      throw new UserError((error as Error).message.replace('the store', '--store'));
    }
  }
  throw new UserError(`Expected --store to be file:DIR or s3://bucket/prefix, got \`${store}\``);
}

const ANSWER_MS = 20_000;

/** @throws UserError when the store cannot be read and written: before anything is started */
export async function checkStore(store: ArtifactStore): Promise<void> {
  const limit = new AbortController();
  try {
    await Promise.race([
      store.check(),
      sleep(ANSWER_MS, undefined, { signal: limit.signal }).then(() => {
        throw new Error(`Expected ${store.url} to answer within ${ANSWER_MS / 1000} s, got nothing: check the network`);
      }),
    ]);
  } catch (error) {
    throw new UserError((error as Error).message);
  } finally {
    limit.abort();
  }
}
