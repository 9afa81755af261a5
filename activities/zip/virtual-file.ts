/** The archive as one random-access file over its parts, which are never joined. */
import { isStored, openArtifact, verifyRange } from '../../storage/artifacts.ts';
import { isLarge } from '../../storage/large.ts';
import { type ArtifactStore, type ByteRange, CorruptObject, ObjectNotFound } from '../../storage/store.ts';

/** A part of the archive: a byte range of the stored object that holds it (offset > 0 in a stored wrapper). */
export interface ArchivePart {
  name: string;
  key: string;
  offset: number;
  /** Bytes of the part itself. */
  size: number;
  /** CRC-32C of the part itself. */
  crc32c: number;
}

/** The archive as a whole cannot be used, and only other parts can help. The message names the part, and says what to do. */
export class DamagedArchive extends Error {
  override readonly name = 'DamagedArchive';
}

/** Opens each artifact once, because a large one has a list of its chunks to read. */
export function opener(store: ArtifactStore) {
  const opened = new Map<string, ReturnType<typeof openArtifact>>();
  return (artifact: Parameters<typeof openArtifact>[1]) => {
    const { key, offset = 0 } = artifact;
    const name = `${key} ${offset}`;
    const reader = opened.get(name) ?? openArtifact(store, artifact);
    opened.set(name, reader);
    reader.catch(() => opened.delete(name));
    return reader;
  };
}

export class VirtualFile {
  /** Bytes of all parts together. */
  readonly size: number;
  readonly #store: ArtifactStore;
  readonly #parts: readonly (ArchivePart & { start: number })[];
  readonly #open: ReturnType<typeof opener>;

  /** Lays the parts end to end. @param parts in their order; part n starts where part n − 1 ends */
  constructor(store: ArtifactStore, parts: readonly ArchivePart[]) {
    this.#store = store;
    this.#open = opener(store);
    let start = 0;
    this.#parts = parts.map(part => {
      const placed = { ...part, start };
      start += part.size;
      return placed;
    });
    this.size = start;
  }

  /**
   * Reads bytes `offset … offset + length − 1`, across the borders of parts. A range beyond the end is clamped to it.
   * @throws CorruptObject when a part is missing from the store or too short; other errors of the store
   */
  async read(offset: number, length: number): Promise<Buffer> {
    const pieces = await Promise.all(
      this.#holding(offset, length).map(({ part, range }) => this.#readPart(part, range)),
    );
    return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
  }

  /**
   * Compares the chunks of a range with their checksums. This shows whether damaged data came so from the source, or is corrupt in the
   * store.
   * @throws CorruptObject when the store has other bytes than were downloaded
   */
  async verify(offset: number, length: number): Promise<void> {
    for (const { part, range } of this.#holding(offset, Math.max(1, length))) {
      await verifyRange(this.#store, part, range);
    }
  }

  /** Returns the names of the parts that hold a range, for messages: `train.zip.002`, or `train.zip.002 and train.zip.003`. */
  partsHolding(offset: number, length: number): string {
    return this.#holding(offset, Math.max(1, length))
      .map(({ part }) => part.name)
      .join(' and ');
  }

  /** Parts with the offset of each in the whole. */
  get parts(): readonly { name: string; start: number; size: number }[] {
    return this.#parts;
  }

  /**
   * Checks that every part is stored in its full length, before an hour of work finds out.
   * @throws CorruptObject
   */
  async checkParts(): Promise<void> {
    await Promise.all(
      this.#parts.map(async part => {
        if (await isStored(this.#store, part)) return;
        const head = isLarge(part) ? undefined : await this.#store.head(part.key);
        throw head === undefined ? this.#missing(part) : this.#short(part, head.size - part.offset);
      }),
    );
  }

  /** Returns the parts that hold a byte of the range, each with the range within the part. */
  #holding(offset: number, length: number): { part: ArchivePart; range: ByteRange }[] {
    const end = Math.min(offset + length, this.size);
    return this.#parts
      .filter(part => part.start < end && part.start + part.size > offset)
      .map(part => {
        const from = Math.max(offset, part.start) - part.start;
        return { part, range: { offset: from, length: Math.min(end - part.start, part.size) - from } };
      });
  }

  async #readPart(part: ArchivePart, { offset, length }: ByteRange): Promise<Buffer> {
    try {
      const read = await this.#open(part);
      const bytes = await read(offset, length);
      if (bytes.length < length) throw this.#short(part, offset + bytes.length);
      return bytes;
    } catch (error) {
      throw error instanceof ObjectNotFound ? this.#missing(part) : error;
    }
  }

  #missing({ name, key }: ArchivePart): CorruptObject {
    const message = `Expected ${name} at ${key} in the store, got nothing: download it again`;
    return new CorruptObject(this.#store, key, message);
  }

  #short({ name, key, size }: ArchivePart, bytes: number): CorruptObject {
    const message = `Expected ${name} to hold ${size} bytes, got ${Math.max(0, bytes)}: remove ${key} and download it again`;
    return new CorruptObject(this.#store, key, message);
  }
}
