/** The archive as one random-access file over its parts, which are never joined. */
import type { ArtifactStore } from '../../storage/store.ts';
import { ObjectNotFound } from '../../storage/store.ts';
import type { ArchivePart } from '../download/types.ts';

/** The archive as a whole cannot be used; only other parts can help. The message says which part, and what to do. */
export class DamagedArchive extends Error {
  override readonly name = 'DamagedArchive';
}

export class VirtualFile {
  /** Bytes of all parts together. */
  readonly size: number;
  readonly #store: Pick<ArtifactStore, 'get' | 'head'>;
  readonly #parts: readonly (ArchivePart & { start: number })[];

  /** @param parts in their order; part n begins where part n − 1 ends */
  constructor(store: Pick<ArtifactStore, 'get' | 'head'>, parts: readonly ArchivePart[]) {
    this.#store = store;
    let start = 0;
    this.#parts = parts.map(part => {
      const placed = { ...part, start };
      start += part.size;
      return placed;
    });
    this.size = start;
  }

  /**
   * Reads bytes `offset … offset + length − 1`, across the borders of parts; a range beyond the end is clamped to it.
   * @throws DamagedArchive when a part is missing from the store or shorter than it should be; what else the store throws
   */
  async read(offset: number, length: number): Promise<Buffer> {
    const end = Math.min(offset + length, this.size);
    const pieces = await Promise.all(
      this.#parts
        .filter(part => part.start < end && part.start + part.size > offset)
        .map(part => {
          const from = Math.max(offset, part.start);
          return this.#readPart(part, from - part.start, Math.min(end, part.start + part.size) - from);
        }),
    );
    return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
  }

  /** Names of the parts that hold a range, for messages: `train.zip.002`, or `train.zip.002 and train.zip.003`. */
  partsHolding(offset: number, length: number): string {
    const end = offset + Math.max(1, length);
    return this.#parts
      .filter(part => part.start < end && part.start + part.size > offset)
      .map(part => part.name)
      .join(' and ');
  }

  /** The parts with the place of each in the whole. */
  get parts(): readonly { name: string; start: number; size: number }[] {
    return this.#parts;
  }

  /**
   * Checks that every part is there in its full length, before an hour of work finds out.
   * @throws DamagedArchive
   */
  async checkParts(): Promise<void> {
    await Promise.all(
      this.#parts.map(async part => {
        const head = await this.#store.head(part.key);
        if (head === undefined) throw missing(part);
        if (head.size < part.offset + part.size) throw short(part, head.size - part.offset);
      }),
    );
  }

  async #readPart(part: ArchivePart, offset: number, length: number): Promise<Buffer> {
    const bytes = await this.#store.get(part.key, { offset: part.offset + offset, length }).catch((error: unknown) => {
      throw error instanceof ObjectNotFound ? missing(part) : error;
    });
    if (bytes.length < length) throw short(part, offset + bytes.length);
    return bytes;
  }
}

function missing(part: ArchivePart): DamagedArchive {
  return new DamagedArchive(`Expected ${part.name} at ${part.key} in the store, got nothing: download it again`);
}

function short(part: ArchivePart, bytes: number): DamagedArchive {
  return new DamagedArchive(
    `Expected ${part.name} to hold ${part.size} bytes, got ${Math.max(0, bytes)}: remove ${part.key} and download it again`,
  );
}
