/**
 * The artifact store: keys to immutable objects. One interface, one file per driver, one contract test for all drivers.
 *
 * A key is a relative path of `[A-Za-z0-9._-]+` segments joined by `/`. No writer ever holds a final object open. An object
 * appears whole or not at all, and completing it twice gives one result.
 */

export interface ByteRange {
  /** First byte, from 0. */
  offset: number;
  /** Bytes; a range beyond the end is clamped to it. */
  length: number;
}

export interface ObjectHead {
  /** Bytes. */
  size: number;
  /** CRC-32C of the whole object, where the store itself keeps and guarantees one. */
  crc32c?: number;
}

export interface Listed {
  key: string;
  /** Bytes. */
  size: number;
  /** Time of the write, in ms since the epoch by the store's clock. */
  modified: number;
}

/** Bytes that arrive in pieces. A piece is valid until the next one is requested. */
export interface Pieces {
  /** Bytes of all pieces together. */
  size: number;
  pieces: AsyncIterable<Uint8Array>;
}

/** Creates the error for a body whose pieces do not add up to its stated size. */
export const wrongSize = (size: number, got: number) => new Error(`Expected ${size} bytes to store, got ${got}`);

export interface PutOptions {
  /** Replaces an existing object as a whole. */
  overwrite?: boolean;
}

export interface ArtifactStore {
  /** `file:/absolute/dir` or `s3://bucket/prefix`. */
  readonly url: string;
  /**
   * Tests that the store supports what the pipeline relies on. A folder needs durable writes and hard links; S3 needs put, range,
   * list and remove.
   * @throws Error with a one-line message
   */
  check(): Promise<void>;
  /** Reads the object's bytes. @throws ObjectNotFound */
  get(key: string, range?: ByteRange): Promise<Buffer>;
  /**
   * Stores an object whole, only if absent. `created` is false when it existed already. The object is durable when this resolves.
   * @param key a function returns the key from the CRC-32C of the bytes, once all of them have been read
   */
  put(
    key: string | ((crc32c: number) => string),
    body: Uint8Array | Pieces,
    options?: PutOptions,
  ): Promise<{ created: boolean }>;
  head(key: string): Promise<ObjectHead | undefined>;
  /** Lists every object whose key starts with `prefix` (a plain string prefix), in key order. */
  list(prefix: string): AsyncIterable<Listed>;
  /** Removes the object. Succeeds when it is absent. */
  remove(key: string): Promise<void>;
  /** Returns the bytes that can still be stored; undefined when the store has no limit. */
  freeSpace(): Promise<number | undefined>;
}

/** A reference to an object of the store, or to a large artifact in chunks (`large.ts`). */
export interface Artifact {
  /** Key of the object, or of the list of chunks when it is large. */
  key: string;
  /** First byte within the object, when the artifact is a range of it; absent when it is the whole object. */
  offset?: number;
  /** Bytes. */
  size: number;
  /** CRC-32C (Castagnoli), unsigned 32-bit. */
  crc32c: number;
}

export class ObjectNotFound extends Error {
  override readonly name = 'ObjectNotFound';
  readonly key: string;
  constructor(key: string, url: string) {
    super(`Expected ${key} to be in ${url}, got nothing`);
    this.key = key;
  }
}

/** Returns the object's bytes, or those of a range; undefined when there is no object. */
export async function getIfThere(
  store: Pick<ArtifactStore, 'get'>,
  key: string,
  range?: ByteRange,
): Promise<Buffer | undefined> {
  try {
    return await store.get(key, range);
  } catch (error) {
    if (error instanceof ObjectNotFound) return undefined;
    throw error;
  }
}

/** The bytes to be stored do not have the checksum that their source states. */
export class ChecksumMismatch extends Error {
  override readonly name = 'ChecksumMismatch';
  /** CRC-32C of the bytes that were received. */
  readonly crc32c: number;
  constructor(message: string, crc32c: number) {
    super(message);
    this.crc32c = crc32c;
  }
}

/** An object differs from what was stored: it has other bytes, fewer bytes, or is missing. A second read gave the same result. */
export class CorruptObject extends Error {
  override readonly name = 'CorruptObject';
  readonly key: string;
  /** Other stages that must be rerun with the object's own stage: `stages/train/<key>`. */
  readonly also: readonly string[];
  readonly #store: ArtifactStore;

  constructor(store: ArtifactStore, key: string, message: string, also: readonly string[] = []) {
    super(message);
    this.key = key;
    this.also = also;
    this.#store = store;
  }

  /** Returns the store. The field behind it is private, so that no log prints it. */
  get store(): ArtifactStore {
    return this.#store;
  }
}
