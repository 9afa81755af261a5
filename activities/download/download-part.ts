/** Stores one part of the archive, unwrapped, once. */
import type { Logger } from 'pino';
import { quote } from '../../lib/quote.ts';
import { sha256 } from '../../storage/checksum.ts';
import { removeLarge } from '../../storage/large.ts';
import type { ArtifactStore } from '../../storage/store.ts';
import { finalFailure } from '../failures.ts';
import type { ArchivePart } from '../zip/virtual-file.ts';
import { type FetchTools, fetchFile, WrongBytes } from './fetch-file.ts';
import { findPartRecord, type PartRecord, readPartRecord, writePartRecord } from './part-manifest.ts';
import { inflateStored, readWrapper, type WrappedFile } from './single-entry-zip.ts';
import { type ArchiveSource, SourceChanged, type SourceObject, tagOf } from './source.ts';
import { openStored, storedChecksums } from './stored.ts';
import type { DownloadedPart } from './types.ts';

export interface PartTools extends FetchTools {
  source: ArchiveSource;
  /** Name of the folder under `archives/`. */
  folder: string;
  log: Logger;
}

/** Restarts of a part from its first byte, after the source changed or sent wrong bytes. */
const RESTARTS = 3;

/**
 * Stores the part below `archives/<folder>/<name>/<version>/`. Nothing is fetched where the record of a finished part names the
 * source's current version. Versions never share a folder, as a finished one may be in use.
 * @throws `BadArchive` when the part comes wrapped and the wrapper is damaged
 */
export async function downloadPart(name: string, tools: PartTools): Promise<DownloadedPart> {
  const { source, folder, store, log, signal } = tools;
  const record = await findPartRecord(store, `archives/${folder}/${name}`);
  let opened = await source.open(name, signal, record?.version);
  if (opened === 'unchanged') return reuse(record!, store);
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
    const prefix = `archives/${folder}/${name}/${sha256(tagOf(version)).slice(0, 8)}`;
    const earlier = await readPartRecord(store, prefix);
    if (earlier) return reuse(earlier, store);
    try {
      const part = await fetchAndUnwrap(name, opened, prefix, counting);
      await writePartRecord(store, prefix, { version, part });
      await removeWrapper(store, part);
      return { ...part, fetched, reused: false };
    } catch (error) {
      if (!(error instanceof SourceChanged || error instanceof WrongBytes)) throw error;
      if (error instanceof SourceChanged) await removeLarge(store, prefix);
      if (restarts === RESTARTS) throw giveUp(error);
      log.warn({ part: name }, `${error.message}: it is fetched again from its start`);
      before = fetched;
      opened = await reopen(name, source, signal);
    }
  }
}

/** Returns the error after the last restart. A source that changed is retried later; bytes that are wrong each time need a person. */
function giveUp(error: SourceChanged | WrongBytes): Error {
  if (error instanceof SourceChanged) return error;
  return finalFailure(
    'BadArchive',
    `${error.message}, ${RESTARTS + 1} times: the source is damaged, or something on the way to it alters what it sends`,
  );
}

async function reuse({ part }: PartRecord, store: ArtifactStore): Promise<DownloadedPart> {
  await removeWrapper(store, part);
  return { ...part, fetched: 0, reused: true };
}

async function reopen(name: string, source: ArchiveSource, signal: AbortSignal): Promise<SourceObject> {
  const opened = await source.open(name, signal);
  if (opened === 'unchanged') throw new TypeError('Expected a file, as no version was given');
  return opened;
}

async function fetchAndUnwrap(
  name: string,
  object: SourceObject,
  prefix: string,
  tools: PartTools,
): Promise<ArchivePart> {
  if (object.servedAs !== `${name}.zip`) {
    return { name, offset: 0, ...(await fetchFile(object, `${prefix}/${PART}`, tools)) };
  }
  const { store, signal } = tools;
  const wrapper = await fetchFile(object, `${prefix}/${WRAPPER}`, tools);
  const file = await readWrapper(object.servedAs, wrapper.size, await openStored(store, wrapper.key));
  if (file.name !== name) {
    throw finalFailure(
      'BadArchive',
      `Expected ${quote(object.servedAs)} to be a zip of ${name}, got one of ${quote(file.name)}`,
    );
  }
  if (file.method === 'stored') return keepWrapper(file, wrapper.key, tools);
  const inflated = await inflateStored(store, { wrapper: wrapper.key, file, prefix: `${prefix}/${PART}`, signal });
  return { name, offset: 0, ...inflated };
}

/** Describes a stored file as a range of its wrapper, so that nothing is copied. */
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

/** Folders of the part's own chunks, and of those of the zip around it. */
const [PART, WRAPPER] = ['part', 'wrapper'];

/** Frees the space of a wrapper that was inflated. */
async function removeWrapper(store: ArtifactStore, { key }: ArchivePart): Promise<void> {
  const [prefix, wrapper] = key.split(`/${PART}/`);
  if (wrapper !== undefined) await removeLarge(store, `${prefix}/${WRAPPER}`);
}
