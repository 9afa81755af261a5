/** The folder that DIGITS takes: loose PNGs, and for each split the lists that name them. It appears whole or not at all. */
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { extractPictures, placesOf, readIndexes } from '../activities/labels/shards.ts';
import { errorCode, withRoom } from '../storage/durable-files.ts';
import { getArtifact, getJson } from '../storage/files.ts';
import type { Manifest } from '../storage/manifest.ts';
import { isOwnerGone, ownerName } from '../storage/owner.ts';
import type { ArtifactStore } from '../storage/store.ts';
import { UserError } from './user-error.ts';

export interface DigitsExport {
  /** `stages/prepare/<key>` and `stages/label/<key>`, both finished. */
  prepare: string;
  label: string;
  /** Absolute path; absent, or an empty folder. */
  folder: string;
  signal: AbortSignal;
  onProgress: (written: number, of: number) => void;
}

/**
 * Writes `images/10_left.a.png` …, and `split-k/{train,val,test}.tsv` and `labels.txt` as the run used them. Beside each list lies the
 * same with a space, `train.txt`: Caffe's own convert_imageset parts name and label at the last space and takes no tab.
 * @returns the number of pictures
 * @throws UserError when the folder is not empty, NoSpace, the signal's reason; nothing is left then
 */
export async function writeDigitsFolder(store: ArtifactStore, job: DigitsExport): Promise<number> {
  await refuseUsed(job.folder);
  const lists = await readLists(store, job.label);
  const files = new Set(
    [...lists]
      .filter(([name]) => name.endsWith('.tsv'))
      .flatMap(([, text]) => rows(text).map(row => row.split('\t')[0]!)),
  );
  const places = placesOf(await readIndexes(store, job.prepare));
  const wanted = [...files].map(file => {
    const place = places.get(file);
    if (place === undefined) throw new Error(`Expected ${file} in the shards of ${job.prepare}, got none`);
    return place;
  });

  const parent = dirname(job.folder);
  await mkdir(parent, { recursive: true });
  await removeAbandoned(job.folder);
  const making = join(parent, `${prefixOf(job.folder)}${ownerName()}`);
  try {
    const bytes = wanted.reduce((sum, { size }) => sum + size, 0);
    await withRoom(parent, bytes, async () => {
      await extractPictures(store, wanted, join(making, 'images'), job.signal, done =>
        job.onProgress(done, wanted.length),
      );
      for (const [name, text] of lists) {
        await mkdir(dirname(join(making, name)), { recursive: true });
        await writeFile(join(making, name), text);
        if (!name.endsWith('.tsv')) continue;
        await writeFile(join(making, name.replace(/tsv$/, 'txt')), text.replaceAll('\t', ' '));
      }
    });
    job.signal.throwIfAborted();
    await rename(making, job.folder).catch(error => {
      if (['ENOTEMPTY', 'EEXIST', 'ENOTDIR'].includes(errorCode(error))) throw used(job.folder);
      throw error;
    });
  } finally {
    await rm(making, { recursive: true, force: true });
  }
  return wanted.length;
}

/** The label stage's lists and names of labels, by their names. */
async function readLists(store: ArtifactStore, label: string): Promise<Map<string, string>> {
  const manifest = await getJson<Manifest>(store, `${label}/manifest.json`);
  const lists = new Map<string, string>();
  for (const [name, artifact] of Object.entries(manifest?.outputs ?? {})) {
    if (/^split-\d\/(\w+\.tsv|labels\.txt)$/.test(name)) {
      lists.set(name, (await getArtifact(store, artifact)).toString('utf8'));
    }
  }
  if (lists.size === 0) throw new Error(`Expected the lists of the splits in ${label}/manifest.json, got none`);
  return lists;
}

function rows(text: string): string[] {
  return text.split('\n').filter(line => line !== '');
}

async function refuseUsed(folder: string): Promise<void> {
  const there = await readdir(folder).catch(error => {
    if (errorCode(error) === 'ENOENT') return [];
    throw errorCode(error) === 'ENOTDIR' ? used(folder) : error;
  });
  if (there.length > 0) throw used(folder);
}

function used(folder: string): UserError {
  return new UserError(`Expected ${folder} to be new or an empty folder, got one in use: remove it, or take another`);
}

/** What is being made stands beside the folder, under a name that tells its process. */
function prefixOf(folder: string): string {
  return `.${basename(folder)}.export~`;
}

/** Removes what a killed export has left. */
async function removeAbandoned(folder: string): Promise<void> {
  const prefix = prefixOf(folder);
  for (const name of await readdir(dirname(folder))) {
    if (!name.startsWith(prefix) || !isOwnerGone(name.slice(prefix.length))) continue;
    await rm(join(dirname(folder), name), { recursive: true, force: true });
  }
}
