/** Where an archive comes from: one interface, a folder and Kaggle-compatible servers behind it. */
import type { ByteRange } from '../../storage/store.ts';

/** A file as the source lists it. */
export interface SourceFile {
  name: string;
  /** Bytes as the source states them: for progress only. */
  size: number;
  /** Date as the source writes it. */
  date: string;
}

/** What makes two reads reads of the same thing. */
export interface SourceVersion {
  /** The entity tag, or the date where there is none. */
  validator: string;
  /** Bytes. */
  size: number;
}

/** A file of the source, in one version. */
export interface SourceObject {
  /** The name under which the file really comes: `<asked>.zip` where it is wrapped. */
  servedAs: string;
  version: SourceVersion;
  /** CRC-32C as the source states it; null where it states none. */
  crc32c: number | null;
  /**
   * The bytes of a range, piece by piece, in one try: ends behind the last of them, or throws. A piece is good until the next one
   * is asked for.
   * @throws Transient where another try may bring the rest
   * @throws SourceChanged
   */
  stream(range: ByteRange, signal: AbortSignal): AsyncIterable<Buffer>;
}

export interface ArchiveSource {
  /** For people: `the competition diabetic-retinopathy-detection`, a folder's path. */
  name: string;
  /** Folder under `archives/`. */
  folder: string;
  list(signal: AbortSignal): Promise<SourceFile[]>;
  /** Opens a file. With `unless`, answers `unchanged` (for no byte of body where the source can) when that is still its version. */
  open(file: string, signal: AbortSignal, unless?: SourceVersion): Promise<SourceObject | 'unchanged'>;
}

/** The file is no longer the one whose first bytes were read. */
export class SourceChanged extends Error {
  override readonly name = 'SourceChanged';
}

export const sameVersion = (a: SourceVersion, b: SourceVersion) => a.validator === b.validator && a.size === b.size;

/** Names a version in one line. */
export const tagOf = ({ validator, size }: SourceVersion) => `${validator} ${size}`;
