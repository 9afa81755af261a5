/**
 * Keeps who removes what nothing refers to, and who begins to refer to it, apart. Whoever opens a stage first says so, and then looks
 * for the notice of a tidying; whoever tidies first puts the notice up, and then looks what is referred to. So one of the two sees the
 * other, whatever the order.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { getJson } from './files.ts';
import { isOwnerGone, ownerName } from './owner.ts';
import type { ArtifactStore } from './store.ts';

/** Beside `stages`, `archives` and `runs`. */
const NOTICE = 'tidying/notice.json';
/** A notice that was not renewed for so long is that of a dead process. */
const EXPIRES_MS = 5 * 60_000;
/** Whoever tidies stops when it could not renew its notice for so long: well before others take it for dead. */
const MUST_RENEW_MS = 2 * 60_000;
const RENEW_MS = 20_000;
const LOOK_MS = 1_000;

interface Notice {
  owner: string;
  /** Milliseconds since the epoch. */
  renewed: number;
}

/** The store is being tidied: it passes by itself. */
export class StoreBusy extends Error {
  override readonly name = 'StoreBusy';
  readonly code = 'EBUSY';
}

/** Waits until nobody tidies. @throws StoreBusy when somebody still does after `patience` ms */
export async function waitUntilTidy(store: ArtifactStore, patience = 60_000): Promise<void> {
  const until = Date.now() + patience;
  while (await standing(store)) {
    if (Date.now() >= until) throw new StoreBusy(`Expected nobody to tidy ${store.url}, got a \`gc --delete\`: wait`);
    await sleep(Math.min(LOOK_MS, patience));
  }
}

/**
 * Does `work` while nobody else tidies and nobody opens a stage.
 * @param work gets `mayGoOn`, to be called before each removal: it renews the notice, and throws when that came too late
 * @throws StoreBusy when another process is at it
 */
export async function whileTidying<Result>(
  store: ArtifactStore,
  work: (mayGoOn: () => Promise<void>) => Promise<Result>,
): Promise<Result> {
  const owner = ownerName();
  const other = await standing(store);
  if (other) throw new StoreBusy(`Expected nobody else to tidy ${store.url}, got ${other.owner}: wait for it`);
  let renewed = 0;
  const renew = async () => {
    const now = Date.now();
    await store.put(NOTICE, Buffer.from(JSON.stringify({ owner, renewed: now } satisfies Notice)), { overwrite: true });
    renewed = now;
  };
  await renew();
  try {
    // Of two that came at once the later one has it.
    if ((await getJson<Notice>(store, NOTICE))?.owner !== owner) throw new StoreBusy('Another process tidies: wait');
    return await work(async () => {
      const age = Date.now() - renewed;
      if (age > MUST_RENEW_MS) throw new StoreBusy('Expected to tidy without a pause, got one: start again');
      if (age > RENEW_MS) await renew();
    });
  } finally {
    if ((await getJson<Notice>(store, NOTICE))?.owner === owner) await store.remove(NOTICE);
  }
}

async function standing(store: ArtifactStore): Promise<Notice | undefined> {
  const notice = await getJson<Notice>(store, NOTICE);
  if (!notice || isOwnerGone(notice.owner) || Date.now() - notice.renewed > EXPIRES_MS) return undefined;
  return notice;
}
