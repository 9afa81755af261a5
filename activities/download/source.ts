/** Interface of archive sources, implemented by a folder and by Kaggle-compatible servers. */
import type { ByteRange } from '../../storage/store.ts';

/** A file as the source lists it. */
export interface SourceFile {
  name: string;
  /** Bytes as the source states them; for progress only. */
  size: number;
  /** Date as the source writes it. */
  date: string;
}

/** Identifies a version of a file: two reads with equal versions read the same bytes. */
export interface SourceVersion {
  /** The entity tag, or the date where there is none. */
  validator: string;
  /** Bytes. */
  size: number;
}

/** A file of the source, in one version. */
export interface SourceObject {
  /** Name under which the source really serves the file: `<asked>.zip` where it is wrapped. */
  servedAs: string;
  version: SourceVersion;
  /** CRC-32C as the source states it; null where it states none. */
  crc32c: number | null;
  /**
   * Streams a range piece by piece, in one try. It ends after the last byte, or throws. A piece is valid until the next one is requested.
   * @throws Transient where another try may bring the rest
   * @throws SourceChanged
   */
  stream(range: ByteRange, signal: AbortSignal): AsyncIterable<Buffer>;
}

export interface ArchiveSource {
  /** Name for people: `the competition diabetic-retinopathy-detection`, a folder's path. */
  name: string;
  /** Name of the folder under `archives/`. */
  folder: string;
  list(signal: AbortSignal): Promise<SourceFile[]>;
  /** Opens a file. Returns `unchanged` when `unless` is still its version, without fetching the body where the source can do that. */
  open(file: string, signal: AbortSignal, unless?: SourceVersion): Promise<SourceObject | 'unchanged'>;
}

/** The file changed at its source after its first bytes were read. */
export class SourceChanged extends Error {
  override readonly name = 'SourceChanged';
}

export const sameVersion = (a: SourceVersion, b: SourceVersion) => a.validator === b.validator && a.size === b.size;

/** Returns a version as one line. */
export const tagOf = ({ validator, size }: SourceVersion) => `${validator} ${size}`;
