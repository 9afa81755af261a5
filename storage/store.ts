/**
 * The artifact store: keys to immutable objects. One interface, one file per driver, one contract test for all of them.
 *
 * A key is a relative path of `[A-Za-z0-9._-]+` segments joined by `/`. No writer ever holds a final object open: an object
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
  /** CRC-32C of the whole object, where the store itself keeps one and answers for it. */
  crc32c?: number;
}

export interface Listed {
  key: string;
  /** Bytes. */
  size: number;
  /** When it was written, in ms since the epoch by the store's clock. */
  modified: number;
}

export interface UploadOptions {
  /** Bytes of the whole object. */
  size: number;
  /** Bytes of each part but the last, which is smaller or equal. S3 wants at least 5 MiB and at most 10,000 parts. */
  partSize: number;
  /** Names what is uploaded (an ETag, a checksum): an unfinished upload is only resumed for the same tag. */
  sourceTag: string;
}

/** An upload in parts that survives its process: opened again with the same key and tag, it knows what is already there. */
export interface Upload {
  /** Parts already stored, by number from 0, with their CRC-32C (unsigned 32 bit). */
  readonly done: ReadonlyMap<number, number>;
  /** Stores part `n` (from 0). Parts may come in any order, at once, and again. Durable when it resolves. */
  put(n: number, bytes: Uint8Array, crc32c: number): Promise<void>;
  /** Begins part `n` (from 0), to be filled piece by piece. Waits while the driver has no memory to spare for another part. */
  begin(n: number): Promise<PartWriter>;
  /**
   * Makes the object appear, if its CRC-32C over all parts is `crc32c`. Finding it already complete with the same size and
   * checksum is success.
   * @throws ChecksumMismatch when the parts do not add up to `crc32c`; the upload is then discarded.
   */
  complete(crc32c: number): Promise<void>;
  /** Gives the upload up and frees its space. */
  abort(): Promise<void>;
  /** Lets go of files and sockets; what was put stays for the next `openUpload`. Idempotent; also after complete or abort. */
  close(): Promise<void>;
}

/**
 * A part that arrives in pieces, so that nobody has to hold it whole who need not: the file driver writes the pieces where they
 * belong, S3's gathers them. Of one part one writer at a time.
 */
export interface PartWriter {
  /**
   * Takes bytes that belong at `position` within the part. Pieces may come in any order and at once, but must not overlap. The
   * caller may use the buffers again when it resolves.
   */
  write(position: number, bytes: readonly Uint8Array[]): Promise<void>;
  /** Makes the part count: all of its bytes were written, and `crc32c` was computed over them. Durable when it resolves. */
  finish(crc32c: number): Promise<void>;
  /** Gives an unfinished part up, and its memory back. Idempotent; also after `finish`. */
  release(): void;
}

export interface ArtifactStore {
  /** `file:/absolute/dir` or `s3://bucket/prefix`. */
  readonly url: string;
  /** Tries whether the store can be read and written. @throws Error with one line for a person */
  check(): Promise<void>;
  /** The object's bytes. @throws ObjectNotFound */
  get(key: string, range?: ByteRange): Promise<Buffer>;
  /** Stores the object whole, only if absent; `created` is false when it was there already. `overwrite` replaces it (whole, too). */
  put(key: string, bytes: Uint8Array, options?: { overwrite?: boolean }): Promise<{ created: boolean }>;
  head(key: string): Promise<ObjectHead | undefined>;
  /** Every object whose key starts with `prefix` (a plain string prefix), in key order. Unfinished uploads are not listed. */
  list(prefix: string): AsyncIterable<Listed>;
  /** Removes the object; absent is success. */
  remove(key: string): Promise<void>;
  openUpload(key: string, options: UploadOptions): Promise<Upload>;
  /** Bytes that can still be stored, what unfinished uploads take up included; undefined where there is no telling. */
  room(): Promise<number | undefined>;
}

/** An object of the store as others refer to it. */
export interface Artifact {
  key: string;
  /** First byte within the object, where the artifact is a range of it; absent where it is the whole object. */
  offset?: number;
  /** Bytes. */
  size: number;
  /** CRC-32C (Castagnoli), unsigned 32 bit. */
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

export class ChecksumMismatch extends Error {
  override readonly name = 'ChecksumMismatch';
}
