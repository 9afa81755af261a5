/**
 * Large artifacts, stored in chunks of one size. A chunk is an object named by its number and CRC-32C
 * (`<prefix>/00017-1a2b3c4d`). A list of them is written last (`<prefix>/chunks.json`); its key is the artifact's key.
 *
 * A chunk is put if absent and never changes, so two writers of the same artifact write the same objects. An interrupted
 * transfer resumes from the chunks that the store lists.
 */
import pLimit from 'p-limit';
import { z } from 'zod';
import { combineCrc32c, crc32c, hex } from './checksum.ts';
import { getJson, getSoundJson, putJson } from './documents.ts';
import {
  type Artifact,
  type ArtifactStore,
  type ByteRange,
  ChecksumMismatch,
  CorruptObject,
  getIfThere,
  ObjectNotFound,
} from './store.ts';

/** Bytes of a chunk: small enough for one per connection in memory, large enough that a request costs little. */
export const CHUNK_SIZE = 8 << 20;

const LIST = '/chunks.json';
/** Chunks that one read fetches at the same time. */
const READS_AT_ONCE = 4;

const listSchema = z
  .object({
    schemaVersion: z.literal(1),
    size: z.int().nonnegative(),
    chunkSize: z.int().positive(),
    /** CRC-32C of each chunk. */
    chunks: z.array(z.int().nonnegative()),
  })
  .refine(({ size, chunkSize, chunks }) => Math.ceil(size / chunkSize) === chunks.length);
type ChunkList = z.infer<typeof listSchema>;

export interface LargeSource {
  /** Bytes of the whole artifact. */
  size: number;
  /** CRC-32C of the whole artifact, where the source states one. */
  crc32c: number | null;
  /** Yields the bytes of a range, in order. It may be called for several ranges at once, and again for the same one. */
  read(range: ByteRange, signal: AbortSignal): AsyncIterable<Uint8Array>;
}

export interface PutLargeOptions {
  signal?: AbortSignal;
  chunkSize?: number;
  /** Runs a task as soon as a connection is free. Default: one chunk at a time. */
  limit?: <Result>(task: () => Promise<Result>) => Promise<Result>;
  /** Called with the bytes of the artifact that are stored. The first call counts those of earlier attempts. */
  onStored?(bytes: number): void;
}

/** Returns whether an artifact's key names a list of chunks. */
export const isLarge = ({ key }: Pick<Artifact, 'key'>): boolean => key.endsWith(LIST);

/** Returns the key that a file was stored under. `key` is that of its object, or of its list or a chunk if it is large. */
export function fileKey(key: string): string {
  return key.replace(/(\/[0-9a-f]{8})?\/(?:chunks\.json|\d{5,}-[0-9a-f]{8})$/, '');
}

/**
 * Stores the bytes of `source` as chunks below `prefix`. Skips chunks that are already stored.
 * @throws ChecksumMismatch when the combined CRC-32C differs from the one that the source states; the chunks are then removed
 */
export async function putLarge(
  store: ArtifactStore,
  prefix: string,
  source: LargeSource,
  { signal, chunkSize = CHUNK_SIZE, limit = pLimit(1), onStored = () => {} }: PutLargeOptions = {},
): Promise<Artifact> {
  const { size } = source;
  const key = `${prefix}${LIST}`;
  const ranges = Array.from({ length: Math.ceil(size / chunkSize) }, (_, n) => ({
    offset: n * chunkSize,
    length: Math.min(chunkSize, size - n * chunkSize),
  }));
  const checksums = await storedChunks(store, prefix, ranges);
  let stored = ranges.reduce((sum, { length }, n) => (checksums[n] === undefined ? sum : sum + length), 0);
  onStored(stored);

  // The first failure aborts the other transfers, so that none still writes when this returns.
  const stop = new AbortController();
  const either = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
  const bring = async (n: number) => {
    either.throwIfAborted();
    checksums[n] = await putChunk(store, prefix, n, source.read(ranges[n]!, either), ranges[n]!.length);
    stored += ranges[n]!.length;
    onStored(stored);
  };
  const missing = [...ranges.keys()].filter(n => checksums[n] === undefined);
  const bringing = missing.map(n => limit(() => bring(n)).catch(error => void stop.abort(error)));
  await Promise.all(bringing);
  either.throwIfAborted();

  const chunks = checksums as number[];
  const whole = ranges.reduce((sum, { length }, n) => combineCrc32c(sum, chunks[n]!, length), 0);
  if (source.crc32c !== null && source.crc32c !== whole) {
    for (const [n, crc] of chunks.entries()) await store.remove(chunkKey(prefix, n, crc));
    throw new ChecksumMismatch(
      `Expected ${prefix} to have the CRC-32C ${hex(source.crc32c)}, got ${hex(whole)}`,
      whole,
    );
  }
  const list: ChunkList = { schemaVersion: 1, size, chunkSize, chunks };
  await putJson(store, key, list, { overwrite: true });
  return { key, size, crc32c: whole };
}

/** A large artifact that is open for reading at any position. */
export interface LargeObject {
  size: number;
  /**
   * Reads a range, clamped to the end. A chunk that is read whole is compared with its CRC-32C.
   * @throws CorruptObject for the chunk, also when it is missing
   */
  read(range: ByteRange): Promise<Buffer>;
  /** Reads every chunk that holds a byte of the range, and compares each with its CRC-32C. @throws as `read` */
  verify(range: ByteRange): Promise<void>;
}

/** Opens a large artifact by its key. @throws ObjectNotFound; CorruptObject when its list of chunks is corrupt */
export async function openLarge(store: ArtifactStore, key: string): Promise<LargeObject> {
  const list = await getJson(store, key);
  if (!list) throw new ObjectNotFound(key, store.url);
  const parsed = listSchema.safeParse(list);
  if (!parsed.success)
    throw new CorruptObject(store, key, `Expected ${key} in ${store.url} to list chunks, got another document`);
  const { size, chunkSize, chunks } = parsed.data;
  const prefix = folderOf(key);
  const lengthOf = (n: number) => Math.min(chunkSize, size - n * chunkSize);

  async function readChunk(n: number, from: number, to: number): Promise<Buffer> {
    const object = chunkKey(prefix, n, chunks[n]!);
    const isWhole = from === 0 && to === lengthOf(n);
    // A mismatch may come from the transfer, so the chunk is read a second time.
    for (let time = 1; ; time++) {
      const bytes = await getIfThere(store, object, isWhole ? undefined : { offset: from, length: to - from });
      if (bytes?.length === to - from && (!isWhole || crc32c(bytes) === chunks[n])) return bytes;
      if (time === 2) {
        const got = bytes ? 'others' : 'nothing';
        throw new CorruptObject(
          store,
          object,
          `Expected ${object} in ${store.url} to hold the bytes that its name states, got ${got}`,
        );
      }
    }
  }

  const holding = ({ offset, length }: ByteRange) => {
    const end = Math.min(offset + length, size);
    const first = Math.floor(offset / chunkSize);
    const count = end <= offset ? 0 : Math.ceil(end / chunkSize) - first;
    return Array.from({ length: count }, (_, i) => {
      const start = (first + i) * chunkSize;
      return { n: first + i, from: Math.max(0, offset - start), to: Math.min(lengthOf(first + i), end - start) };
    });
  };
  const limit = pLimit(READS_AT_ONCE);

  return {
    size,
    async read(range) {
      const pieces = await Promise.all(holding(range).map(({ n, from, to }) => limit(() => readChunk(n, from, to))));
      return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
    },
    async verify(range) {
      for (const { n } of holding(range)) await readChunk(n, 0, lengthOf(n));
    },
  };
}

/** Returns whether a list exists at the key and all its chunks are stored in their full size. Reads no chunk. */
export async function isLargeStored(store: ArtifactStore, key: string): Promise<boolean> {
  const parsed = listSchema.safeParse(await getSoundJson(store, key));
  if (!parsed.success) return false;
  const { size, chunkSize, chunks } = parsed.data;
  const prefix = folderOf(key);
  const missing = new Map(
    chunks.map((crc, n) => [chunkKey(prefix, n, crc), Math.min(chunkSize, size - n * chunkSize)]),
  );
  for await (const stored of store.list(`${prefix}/`)) {
    if (missing.get(stored.key) === stored.size) missing.delete(stored.key);
  }
  return missing.size === 0;
}

/** Removes a large artifact, or the chunks of an unfinished transfer. Removes the list first, so that no reader trusts it. */
export async function removeLarge(store: ArtifactStore, prefix: string): Promise<void> {
  await store.remove(`${prefix}${LIST}`);
  for await (const { key } of store.list(`${prefix}/`)) await store.remove(key);
}

/** Returns the CRC-32C of each stored chunk. Removes chunks of the wrong size, and all chunks that share a number. */
async function storedChunks(
  store: ArtifactStore,
  prefix: string,
  ranges: readonly ByteRange[],
): Promise<(number | undefined)[]> {
  const found = new Map<number, { key: string; crc: number; size: number }[]>();
  for await (const { key, size } of store.list(`${prefix}/`)) {
    const [, n, crc] = /^(\d{5,})-([0-9a-f]{8})$/.exec(key.slice(prefix.length + 1)) ?? [];
    if (n === undefined) continue;
    const of = found.get(Number(n)) ?? [];
    found.set(Number(n), [...of, { key, crc: Number.parseInt(crc!, 16), size }]);
  }
  const checksums: (number | undefined)[] = ranges.map(() => undefined);
  for (const [n, chunks] of found) {
    if (chunks.length === 1 && chunks[0]!.size === ranges[n]?.length) checksums[n] = chunks[0]!.crc;
    else for (const { key } of chunks) await store.remove(key);
  }
  return checksums;
}

/** Stores one chunk. @returns its CRC-32C */
async function putChunk(
  store: ArtifactStore,
  prefix: string,
  n: number,
  pieces: AsyncIterable<Uint8Array>,
  size: number,
): Promise<number> {
  let checksum = 0;
  const keyOf = (crc: number) => {
    checksum = crc;
    return chunkKey(prefix, n, crc);
  };
  await store.put(keyOf, { size, pieces });
  return checksum;
}

const folderOf = (key: string) => key.slice(0, -LIST.length);
const chunkKey = (prefix: string, n: number, crc: number) => `${prefix}/${String(n).padStart(5, '0')}-${hex(crc)}`;
