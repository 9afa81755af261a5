/** The id of a store. It is an object of the store, so it stays with the store when that is moved or copied. */
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { parseJson } from '../lib/json.ts';
import { type ArtifactStore, getIfThere } from './store.ts';

/** Key of the id, beside `archives`, `runs` and `stages`. */
const KEY = 'store.json';
/** Format of the store. Raised with each change that makes older stores unreadable. Release 0.1.0 wrote none. */
const FORMAT = 2;
const identity = z.object({ id: z.uuid(), format: z.int().default(1) });

/**
 * Returns the store's id, or undefined for a store without one.
 * @throws Error with a one-line message when the id is invalid or the store has the format of another release
 */
export async function readStoreId(store: ArtifactStore): Promise<string | undefined> {
  const bytes = await getIfThere(store, KEY);
  if (!bytes) return undefined;
  const parsed = identity.safeParse(parseJson(bytes.toString('utf8')));
  if (!parsed.success) {
    throw new Error(`Expected ${KEY} in ${store.url} to hold the store's id, got something else: remove it`);
  }
  const { id, format } = parsed.data;
  if (format === FORMAT) return id;
  const got = format === 1 ? 'one of release 0.1.0' : `one of format ${format}`;
  throw new Error(`Expected ${store.url} to be a store of format ${FORMAT}, got ${got}: name another store or folder`);
}

/** Returns the store's id. Creates one when the store has none. */
export async function storeId(store: ArtifactStore): Promise<string> {
  const found = await readStoreId(store);
  if (found !== undefined) return found;
  const id = randomUUID();
  const { created } = await store.put(KEY, Buffer.from(`${JSON.stringify({ id, format: FORMAT })}\n`));
  return created ? id : ((await readStoreId(store)) ?? id);
}
