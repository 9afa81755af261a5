/** One part of the archive from its source into the store, unwrapped, once. */
import type { Logger } from 'pino';
import { sha256 } from '../../storage/checksum.ts';
import type { ArtifactStore } from '../../storage/store.ts';
import { finalFailure } from '../failures.ts';
import { type FetchTools, fetchFile, WrongBytes } from './fetch-file.ts';
import { type PartRecord, readPartRecord, writePartRecord } from './part-record.ts';
import { segmentSize } from './segments.ts';
import { type ArchiveSource, SourceChanged, type SourceObject, sameVersion, tagOf } from './source.ts';
import { storedChecksums } from './stored.ts';
import type { ArchivePart, DownloadedPart } from './types.ts';
import { inflateStored, readWrapper, type WrappedFile } from './wrapper.ts';

export interface PartTools extends FetchTools {
  source: ArchiveSource;
  /** Under `archives/`. */
  folder: string;
  log: Logger;
}

/** Times a part is fetched again from its start because it became another file, or because wrong bytes came. */
const RESTARTS = 3;

/**
 * Brings `name` into `archives/<folder>/`. Finished work is found by its record, which is written last and names the version
 * of the source it was made from; then nothing is fetched. Another version never replaces a finished one, which others may be
 * reading: it gets a folder of its own.
 * @throws `BadArchive` when it comes wrapped and the wrapper is damaged
 */
export async function downloadPart(name: string, tools: PartTools): Promise<DownloadedPart> {
  const { source, folder, store, log, signal } = tools;
  const first = `archives/${folder}/${name}`;
  const record = await readPartRecord(store, first);
  let opened = await source.open(name, signal, record?.version);
  if (opened === 'unchanged') return reuse(record!, first, store);
  if (record) log.warn({ part: name }, `${name} is another file at its source than the one in the store`);

  let before = 0;
  let fetched = 0;
  const counting: PartTools = {
    ...tools,
    onProgress(progress) {
      fetched = before + progress.fetched;
      tools.onProgress({ ...progress, fetched });
    },
  };
  for (let restarts = 0; ; restarts += 1) {
    const { version } = opened;
    const key = record ? `archives/${folder}/${sha256(tagOf(version)).slice(0, 8)}/${name}` : first;
    const earlier = record && (await readPartRecord(store, key));
    if (earlier && sameVersion(earlier.version, version)) return reuse(earlier, key, store);
    try {
      const part = await fetchAndUnwrap(name, opened, key, counting);
      await writePartRecord(store, key, { version, part });
      await removeWrapper(store, part, key);
      return { ...part, fetched, reused: false };
    } catch (error) {
      if (!(error instanceof SourceChanged || error instanceof WrongBytes)) throw error;
      if (restarts === RESTARTS) throw giveUp(error);
      log.warn({ part: name }, `${error.message}: it is fetched again from its start`);
      before = fetched;
      opened = await openAnew(name, source, signal);
    }
  }
}

/** A source that changes may come to rest; bytes that are wrong each time need a person. */
function giveUp(error: SourceChanged | WrongBytes): Error {
  if (error instanceof SourceChanged) return error;
  return finalFailure(
    'BadArchive',
    `${error.message}, ${RESTARTS + 1} times: the source is damaged, or something on the way to it alters what it sends`,
  );
}

async function reuse({ part }: PartRecord, key: string, store: ArtifactStore): Promise<DownloadedPart> {
  await removeWrapper(store, part, key);
  return { ...part, fetched: 0, reused: true };
}

async function openAnew(name: string, source: ArchiveSource, signal: AbortSignal): Promise<SourceObject> {
  const opened = await source.open(name, signal);
  if (opened === 'unchanged') throw new TypeError('Expected a file, as no version was given');
  return opened;
}

async function fetchAndUnwrap(name: string, object: SourceObject, key: string, tools: PartTools): Promise<ArchivePart> {
  if (object.servedAs !== `${name}.zip`) return { name, offset: 0, ...(await fetchFile(object, key, tools)) };

  const { store, signal } = tools;
  const wrapperKey = wrapperOf(key);
  const wrapper = await fetchFile(object, wrapperKey, tools);
  const file = await readWrapper(object.servedAs, wrapper.size, range => store.get(wrapperKey, range));
  if (file.name !== name) {
    throw finalFailure('BadArchive', `Expected ${object.servedAs} to be a zip of ${name}, got one of ${file.name}`);
  }
  if (file.method === 'stored') return keepWrapper(file, wrapperKey, tools);

  const done = await findInflated(file, key, tools);
  if (done) return done;
  const partSize = segmentSize(file.size, tools.segments);
  const sourceTag = `inflated ${tagOf(object.version)} by ${partSize}`;
  return { name, offset: 0, ...(await inflateStored(store, { wrapperKey, file, key, partSize, sourceTag, signal })) };
}

/** A stored file's bytes lie in its wrapper as they are: the part is a range of it, and nothing is copied. */
async function keepWrapper(file: WrappedFile, key: string, { store, signal }: PartTools): Promise<ArchivePart> {
  const range = { offset: file.offset, length: file.size };
  const { crc32, crc32c } = await storedChecksums(store, key, range, signal);
  if (crc32 !== file.crc32 || file.size !== file.compressedSize) {
    throw finalFailure(
      'BadArchive',
      `Expected ${file.name} in ${key} to have the CRC-32 of its directory, got another`,
    );
  }
  return { name: file.name, key, offset: file.offset, size: file.size, crc32c };
}

/** What an attempt that died before its record had inflated; anything else at its place is removed. */
async function findInflated(
  file: WrappedFile,
  key: string,
  { store, signal }: PartTools,
): Promise<ArchivePart | undefined> {
  const head = await store.head(key);
  if (!head) return undefined;
  if (head.size === file.size) {
    const { crc32, crc32c } = await storedChecksums(store, key, { offset: 0, length: file.size }, signal);
    if (crc32 === file.crc32) return { name: file.name, key, offset: 0, size: file.size, crc32c };
  }
  await store.remove(key);
  return undefined;
}

const wrapperOf = (key: string) => `${key}.zip`;

/** A wrapper that was inflated is worth its space no longer, whoever left it. */
async function removeWrapper(store: ArtifactStore, part: ArchivePart, key: string): Promise<void> {
  if (part.key === key) await store.remove(wrapperOf(key));
}
