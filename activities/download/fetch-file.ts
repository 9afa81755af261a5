/** Carries one version of a source's file into the store, in segments that survive any death. */
import { combineCrc32c, crc32c } from '../../storage/checksum.ts';
import type { Artifact, ArtifactStore, ByteRange, Upload } from '../../storage/store.ts';
import { finalFailure } from '../failures.ts';
import { Transient } from './http.ts';
import { planSegments, type SegmentSettings, segmentSize } from './segments.ts';
import { SourceChanged, type SourceObject, tagOf } from './source.ts';
import { storedChecksums } from './stored.ts';

export interface Progress {
  /** Bytes of the file that are here. */
  bytes: number;
  /** Bytes of the whole file. */
  of: number;
  /** Bytes that came over the wire in this attempt, lost tries included. */
  fetched: number;
}

export interface FetchTools {
  store: ArtifactStore;
  segments: SegmentSettings;
  signal: AbortSignal;
  onProgress(progress: Progress): void;
}

/**
 * Makes `key` hold the object: what an earlier attempt has put there is kept, the rest is fetched, several segments at once.
 * @throws SourceChanged when it became another file meanwhile; what was stored of it is gone then
 */
export async function fetchFile(object: SourceObject, key: string, tools: FetchTools): Promise<Artifact> {
  const { store, signal } = tools;
  const { size } = object.version;
  if (size === 0) throw finalFailure('BadArchive', `Expected ${object.servedAs} to hold something, got 0 bytes`);
  const kept = await adopt(object, key, tools);
  if (kept) return kept;

  const partSize = segmentSize(size, tools.segments);
  // Parts of another size would be other parts: the size belongs to the tag.
  const upload = await store.openUpload(key, { size, partSize, sourceTag: `${tagOf(object.version)} by ${partSize}` });
  try {
    const ranges = planSegments(size, partSize);
    const checksums = await fetchSegments(object, upload, ranges, tools);
    const whole = ranges.reduce((sum, { length }, n) => combineCrc32c(sum, checksums[n]!, length), 0);
    signal.throwIfAborted();
    if (object.crc32c !== null && object.crc32c !== whole) {
      await upload.abort();
      throw new Transient(
        `Expected ${object.servedAs} to have the CRC-32C ${hex(object.crc32c)} that its source states, got ${hex(whole)}: it is fetched again from its start`,
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
    const { crc32c } = await storedChecksums(store, key, { offset: 0, length: size }, signal);
    if (crc32c === object.crc32c) {
      onProgress({ bytes: size, of: size, fetched: 0 });
      return { key, size, crc32c };
    }
  }
  await store.remove(key);
  return undefined;
}

/** @returns the CRC-32C of every segment, in order */
async function fetchSegments(
  object: SourceObject,
  upload: Upload,
  ranges: ByteRange[],
  { segments, signal, onProgress }: FetchTools,
): Promise<number[]> {
  const of = object.version.size;
  const checksums = ranges.map((_, n) => upload.done.get(n));
  const pending = [...ranges.keys()].filter(n => checksums[n] === undefined);
  let bytes = of - pending.reduce((sum, n) => sum + ranges[n]!.length, 0);
  let fetched = 0;
  onProgress({ bytes, of, fetched });

  // The first failure ends the others: none may still write when the upload is let go.
  const stop = new AbortController();
  const either = AbortSignal.any([signal, stop.signal]);
  const take = async () => {
    for (let n = pending.shift(); n !== undefined; n = pending.shift()) {
      const range = ranges[n]!;
      let inTry = 0;
      const data = await object.read(range, either, received => {
        fetched += Math.max(0, received - inTry);
        bytes += received - inTry;
        inTry = received;
        onProgress({ bytes, of, fetched });
      });
      const checksum = crc32c(data);
      await upload.put(n, data, checksum);
      checksums[n] = checksum;
    }
  };
  const failures: unknown[] = [];
  await Promise.all(
    Array.from({ length: segments.inFlight }, () =>
      take().catch(error => {
        failures.push(error);
        stop.abort();
      }),
    ),
  );
  if (failures.length > 0) throw failures[0];
  return checksums as number[];
}

const hex = (crc: number) => crc.toString(16).padStart(8, '0');
