/** Carries one version of a source's file into the store, in segments that survive any death. */
import { combineCrc32c } from '../../storage/checksum.ts';
import type { Artifact, ArtifactStore } from '../../storage/store.ts';
import { finalFailure } from '../failures.ts';
import type { Patience } from './retries.ts';
import { planSegments, type SegmentSettings, segmentSize } from './segments.ts';
import { SourceChanged, type SourceObject, tagOf } from './source.ts';
import { storedChecksums } from './stored.ts';
import { type TransferPools, transferSegments } from './transfer.ts';

export interface Progress {
  /** Bytes of the file that are here. */
  bytes: number;
  /** Bytes of the whole file. */
  of: number;
  /** Bytes that came over the wire in this attempt, lost tries included. */
  fetched: number;
}

/** What came, whole and in order, is not what the source says it sends. */
export class WrongBytes extends Error {
  override readonly name = 'WrongBytes';
}

export interface FetchTools {
  store: ArtifactStore;
  segments: SegmentSettings;
  pools: TransferPools;
  patience: Patience;
  signal: AbortSignal;
  onProgress(progress: Progress): void;
}

/**
 * Makes `key` hold the object: what an earlier attempt has put there is kept, the rest is fetched, several segments at once.
 * @throws SourceChanged when it became another file meanwhile, WrongBytes when what came is not what the source states; what was
 *   stored of it is gone then
 */
export async function fetchFile(object: SourceObject, key: string, tools: FetchTools): Promise<Artifact> {
  const { store, signal, onProgress } = tools;
  const { size } = object.version;
  if (size === 0) throw finalFailure('BadArchive', `Expected ${object.servedAs} to hold something, got 0 bytes`);
  const kept = await adopt(object, key, tools);
  if (kept) return kept;

  const partSize = segmentSize(size, tools.segments);
  // Parts of another size would be other parts: the size belongs to the tag.
  const upload = await store.openUpload(key, { size, partSize, sourceTag: `${tagOf(object.version)} by ${partSize}` });
  try {
    const ranges = planSegments(size, partSize);
    const missing = ranges.reduce((sum, { length }, n) => (upload.done.has(n) ? sum : sum + length), 0);
    const progress = { bytes: size - missing, of: size, fetched: 0 };
    onProgress({ ...progress });
    const onBytes = (received: number, placed: number) => {
      progress.fetched += received;
      progress.bytes += placed;
      onProgress({ ...progress });
    };
    const { pools, patience } = tools;
    const checksums = await transferSegments(object, upload, ranges, { ...pools, patience, signal, onBytes });
    const whole = ranges.reduce((sum, { length }, n) => combineCrc32c(sum, checksums[n]!, length), 0);
    signal.throwIfAborted();
    if (object.crc32c !== null && object.crc32c !== whole) {
      await upload.abort();
      throw new WrongBytes(
        `Expected ${object.servedAs} to have the CRC-32C ${hex(object.crc32c)} that its source states, got ${hex(whole)}`,
      );
    }
    await upload.complete(whole);
    return { key, size, crc32c: whole };
  } catch (error) {
    if (error instanceof SourceChanged) await upload.abort();
    throw error;
  } finally {
    await upload.close();
  }
}

/** What a finished transfer left at `key`, when it is what the source states; anything else is removed. */
async function adopt(object: SourceObject, key: string, tools: FetchTools): Promise<Artifact | undefined> {
  const { store, signal, onProgress } = tools;
  const { size } = object.version;
  const head = await store.head(key);
  if (!head) return undefined;
  if (head.size === size && object.crc32c !== null) {
    // A store that answers for the checksum spares reading the whole file again.
    const crc32c = head.crc32c ?? (await storedChecksums(store, key, { offset: 0, length: size }, signal)).crc32c;
    if (crc32c === object.crc32c) {
      onProgress({ bytes: size, of: size, fetched: 0 });
      return { key, size, crc32c };
    }
  }
  await store.remove(key);
  return undefined;
}

const hex = (crc: number) => crc.toString(16).padStart(8, '0');
