/**
 * Keeps `gc` from removing objects to which a new stage begins to refer. A run that opens a stage first writes its record, then
 * looks for a notice of `gc`. `gc` first writes its notice, then lists the references. So one of the two sees the other, in any order.
 * Two `gc` commands exclude each other in the same way: of two that start at once, one continues or none.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { ownerName, stateOfOwner } from '../lib/process/process-id.mjs';
import { getSoundJson, putJson } from './documents.ts';
import { keySegment } from './key-syntax.ts';
import type { ArtifactStore } from './store.ts';

/** Prefix beside `stages`, `archives` and `runs`. It holds a notice of each `gc` that removes objects or is about to. */
const NOTICES = 'tidying/';
/** Age at which a notice counts as that of a dead process. */
const EXPIRES_MS = 5 * 60_000;
/** Age of its own notice at which `gc` stops, well before other processes take it for dead. */
const MUST_RENEW_MS = 2 * 60_000;
const RENEW_MS = 20_000;
const LOOK_MS = 1_000;

interface Notice {
  owner: string;
  /** Milliseconds since the epoch. */
  renewed: number;
}

/** A `gc` is removing objects of the store. Retryable: it passes when that `gc` ends. */
export class StoreBusy extends Error {
  override readonly name = 'StoreBusy';
  readonly code = 'EBUSY';
}

/** Waits until no `gc` removes objects. @throws StoreBusy when one still does after `patience` ms */
export async function waitUntilTidy(store: ArtifactStore, patience = 60_000): Promise<void> {
  const until = Date.now() + patience;
  while (await othersTidying(store)) {
    if (Date.now() >= until) throw new StoreBusy(`Expected nobody to tidy ${store.url}, got a \`gc --delete\`: wait`);
    await sleep(Math.min(LOOK_MS, patience));
  }
}

/**
 * Runs `work` under the notice of this `gc`. No other `gc` removes objects meanwhile, and runs that open a stage wait.
 * @param work calls `mayGoOn` before each removal. That renews the notice, and throws when the last renewal is too old
 * @throws StoreBusy when another `gc` is running
 */
export async function whileTidying<Result>(
  store: ArtifactStore,
  work: (mayGoOn: () => Promise<void>) => Promise<Result>,
): Promise<Result> {
  const owner = ownerName();
  const own = `${NOTICES}${keySegment(owner)}.json`;
  let renewed = 0;
  const renew = async () => {
    renewed = Date.now();
    await putJson(store, own, { owner, renewed } satisfies Notice, { overwrite: true });
  };
  await renew();
  try {
    const other = await othersTidying(store, own);
    if (other) throw new StoreBusy(`Expected nobody else to tidy ${store.url}, got ${other}: wait for it`);
    return await work(async () => {
      const age = Date.now() - renewed;
      if (age > MUST_RENEW_MS) throw new StoreBusy('Expected to tidy without a pause, got one: start again');
      if (age > RENEW_MS) await renew();
    });
  } finally {
    await store.remove(own);
  }
}

/** Returns the owner name of another running `gc`; undefined when there is none. Removes the notices of dead processes. */
async function othersTidying(store: ArtifactStore, own?: string): Promise<string | undefined> {
  for await (const { key } of store.list(NOTICES)) {
    const notice = key === own ? undefined : await getSoundJson<Notice>(store, key);
    if (notice && stateOfOwner(notice.owner) !== 'gone' && Date.now() - notice.renewed < EXPIRES_MS)
      return notice.owner;
    if (notice) await store.remove(key);
  }
  return undefined;
}
