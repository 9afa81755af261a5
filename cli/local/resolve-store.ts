/** Resolves and checks the store of a run on this machine. */
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { quote } from '../../lib/quote.ts';
import { asUserError, UserError } from '../../lib/user-error.ts';
import { readStoreId } from '../../storage/identity.ts';
import { openStore } from '../../storage/open.ts';
import { parseS3Url } from '../../storage/s3-url.ts';
import type { ArtifactStore } from '../../storage/store.ts';
import type { OutFolder, OutState } from './run-dir.ts';
import type { RunOptions } from './run-options.ts';

/**
 * Returns the URL of the store: that of `--store`, else that of the last run, else `<out>/store`. `--fresh` takes an empty store
 * beside it, named by the time, which holds no earlier results. Without `--fresh`, the same command resumes such a run after a kill.
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
  // A bucket has no sibling.
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
  throw new UserError(`Expected --store to be file:DIR or s3://bucket/prefix, got \`${quote(store)}\``);
}

/**
 * Opens the store of the run in an out folder.
 * @param elsewhere URL to which the store may have been moved
 * @throws UserError when it is at neither place
 */
export async function openStoreOf(state: OutState, elsewhere?: string): Promise<ArtifactStore> {
  const store = await openStore(state.store);
  if (elsewhere !== undefined && !(await isStoreOf(state, store))) {
    const moved = await openStore(elsewhere);
    if (await isStoreOf(state, moved)) return moved;
  }
  await checkIdentity(store, state);
  return store;
}

async function isStoreOf({ storeId }: OutState, store: ArtifactStore): Promise<boolean> {
  const found = await readStoreId(store);
  return storeId === undefined || found === storeId;
}

/** Checks the id of the store. A disk that is not mounted leaves an empty folder, in which a run must not silently restart. */
async function checkIdentity(store: ArtifactStore, state: OutState): Promise<void> {
  if (await isStoreOf(state, store)) return;
  const got = (await readStoreId(store)) === undefined ? 'none' : 'another one';
  throw new UserError(
    `Expected the store of run ${state.run} at ${state.store}, got ${got} there: put it back (is its disk mounted?), name its new place with --store, or make everything again with \`run --fresh\``,
  );
}

const ANSWER_MS = 20_000;

/**
 * Checks the store before anything is started.
 * @param last state of the last run that used this store
 * @throws UserError when the store cannot be read and written, or is another one
 */
export async function checkStore(store: ArtifactStore, last?: OutState): Promise<void> {
  const limit = new AbortController();
  const silence = sleep(ANSWER_MS, undefined, { signal: limit.signal }).then(() => {
    throw new Error(`Expected ${store.url} to answer within ${ANSWER_MS / 1000} s, got nothing: check the network`);
  });
  const checked = last ? checkIdentity(store, last).then(() => store.check()) : store.check();
  await asUserError(() => Promise.race([checked, silence])).finally(() => limit.abort());
}
