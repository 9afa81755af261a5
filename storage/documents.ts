/**
 * JSON documents that no manifest describes: manifests themselves, records of runs and of finished work. Each holds its own
 * checksum in its last field, because a flipped bit in a number still gives valid JSON.
 */
import { crc32c, hex } from './checksum.ts';
import { type ArtifactStore, CorruptObject, getIfThere } from './store.ts';

const UNKNOWN = '00000000';
const LAST_FIELD = /"documentCrc32c": "([0-9a-f]{8})"\n\}\n$/;

/** Formats the value as JSON that ends with `"documentCrc32c"`: the CRC-32C of the text with eight zeros in its place. */
export function formatDocument(value: object): string {
  const text = `${JSON.stringify({ ...value, documentCrc32c: UNKNOWN }, null, 2)}\n`;
  return text.replace(LAST_FIELD, field => field.replace(UNKNOWN, checksumOf(text)));
}

/** Parses the text of `formatDocument`. @throws Error whose message names the defect */
export function parseDocument<Content>(text: string): Content {
  const stated = LAST_FIELD.exec(text)?.[1];
  if (stated === undefined) throw new Error('a text without its checksum');
  const found = checksumOf(text.replace(LAST_FIELD, field => field.replace(stated, UNKNOWN)));
  if (found !== stated) throw new Error(`a text of CRC-32C ${found} instead of ${stated}`);
  const { documentCrc32c, ...content } = parse(text);
  return content as Content;
}

/** Parses JSON. The error omits the parser's own message, which quotes the text. */
function parse(text: string): { documentCrc32c?: unknown } {
  try {
    return JSON.parse(text) as { documentCrc32c?: unknown };
  } catch {
    throw new Error('a text that is no JSON');
  }
}

/** Stores the value if there is no object at the key. `overwrite` replaces an existing one. */
export function putJson(
  store: ArtifactStore,
  key: string,
  value: object,
  options: { overwrite?: boolean } = {},
): Promise<{ created: boolean }> {
  return store.put(key, Buffer.from(formatDocument(value)), options);
}

/** Returns the document; undefined when there is none. @throws CorruptObject */
export async function getJson<Content>(store: ArtifactStore, key: string): Promise<Content | undefined> {
  for (let time = 1; ; time++) {
    const bytes = await getIfThere(store, key);
    if (bytes === undefined) return undefined;
    try {
      return parseDocument<Content>(bytes.toString('utf8'));
    } catch (error) {
      // A defect may come from the transfer, so the document is read a second time.
      if (time === 2) {
        const { message } = error as Error;
        throw new CorruptObject(store, key, `Expected ${key} in ${store.url} to be as it was stored, got ${message}`);
      }
    }
  }
}

/** Returns the document; undefined when it is missing or corrupt. For documents that can be recreated on the spot. */
export async function getSoundJson<Content>(store: ArtifactStore, key: string): Promise<Content | undefined> {
  try {
    return await getJson<Content>(store, key);
  } catch (error) {
    if (error instanceof CorruptObject) return undefined;
    throw error;
  }
}

/**
 * Stores the document unless a valid one that passes `counts` exists, and returns the stored one. So the first of several
 * attempts at the same work decides.
 */
export async function settleJson<Content extends object>(
  store: ArtifactStore,
  key: string,
  value: Content,
  counts: (there: Content) => Promise<boolean> | boolean = () => true,
): Promise<{ content: Content; created: boolean }> {
  const { created } = await putJson(store, key, value);
  // Reads back a successful put too: a server may report to two writers that each was first.
  const there = await getSoundJson<Content>(store, key);
  if (there !== undefined && (created || (await counts(there)))) return { content: there, created };
  await putJson(store, key, value, { overwrite: true });
  return { content: value, created: true };
}

function checksumOf(text: string): string {
  return hex(crc32c(Buffer.from(text)));
}
