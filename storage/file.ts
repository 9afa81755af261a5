/**
 * The store in a folder. An object is a file, and its key is the file's path. Unfinished files are below `.tmp/`.
 *
 * An object appears by `link`, which fails when one exists, or by `rename`, which replaces it whole.
 */
import type { Stats } from 'node:fs';
import { link, open, readdir, rename, rm, rmdir, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { ownerName, stateOfOwner } from '../lib/process/process-id.mjs';
import { codeAndCure, codeOf } from '../lib/system-errors.ts';
import { checkRange } from './byte-range.ts';
import { freeIn, makeFolder, syncFolder, withRoom, writeDurably } from './fsync.ts';
import { checkKey, isSegment } from './key-syntax.ts';
import { type ArtifactStore, type ByteRange, type Listed, ObjectNotFound } from './store.ts';

/** Bytes of one read. Node allows at most 2 GiB less one byte. */
const LARGEST_READ = 1024 ** 3;

/**
 * Creates a store in a folder. Touches no file yet.
 * @param folder created by the first `check`, `put` or `freeSpace`; its file system must support hard links
 */
export function createFileStore(folder: string): ArtifactStore {
  const root = resolve(folder);
  const url = `file:${root}`;
  const temporary = join(root, '.tmp');
  const pathOf = (key: string) => {
    checkKey(key);
    return join(root, key);
  };

  const prepare = async () => {
    await removeLeftovers(temporary);
    await makeFolder(temporary);
  };

  return {
    url,

    async check() {
      const [temp, linked] = [join(temporary, ownerName()), join(temporary, ownerName())];
      try {
        await prepare();
        await writeDurably(temp, [], 0);
        await appear(temp, linked, false);
      } catch (error) {
        if (codeOf(error) === '') throw error;
        const got = codeAndCure(codeOf(error));
        throw new Error(`Expected the store ${url} to be a folder that can be written, got ${got}`, { cause: error });
      } finally {
        await Promise.allSettled([temp, linked].map(path => rm(path, { force: true })));
      }
    },

    async get(key, range) {
      const bytes = await readRange(pathOf(key), range);
      if (!bytes) throw new ObjectNotFound(key, url);
      return bytes;
    },

    async put(key, body, { overwrite = false } = {}) {
      const known = typeof key === 'string' ? pathOf(key) : undefined;
      await prepare();
      if (known !== undefined && !overwrite && (await sizeOf(known)) !== undefined) {
        await syncFolder(dirname(known));
        return { created: false };
      }
      const temp = join(temporary, ownerName());
      const { size, pieces } = body instanceof Uint8Array ? { size: body.length, pieces: [body] } : body;
      try {
        const crc = await withRoom(root, size, () => writeDurably(temp, pieces, size));
        return { created: await appear(temp, typeof key === 'string' ? known! : pathOf(key(crc)), overwrite) };
      } finally {
        await rm(temp, { force: true });
      }
    },

    async head(key) {
      const size = await sizeOf(pathOf(key));
      return size === undefined ? undefined : { size };
    },

    list: prefix => walk(root, '', prefix),

    async remove(key) {
      const path = pathOf(key);
      if ((await sizeOf(path)) === undefined) return;
      await rm(path, { force: true });
      for (let above = dirname(path); above !== root; above = dirname(above)) {
        if (!(await removedEmpty(above))) return syncFolder(above);
      }
    },

    async freeSpace() {
      await makeFolder(root);
      return freeIn(root);
    },
  };
}

/** Removes the temporary files of dead processes. */
async function removeLeftovers(temporary: string): Promise<void> {
  for (const name of await readdir(temporary).catch(() => [])) {
    if (stateOfOwner(name) === 'gone') await rm(join(temporary, name), { force: true });
  }
}

/** Makes the finished file `from` the object at `to`. @returns false when an existing object is kept */
async function appear(from: string, to: string, overwrite: boolean): Promise<boolean> {
  for (let attempt = 1; ; attempt++) {
    try {
      await makeFolder(dirname(to));
      if (overwrite) await rename(from, to);
      else await link(from, to);
      await syncFolder(dirname(to));
      return true;
    } catch (error) {
      const code = codeOf(error);
      if (code === 'EEXIST' && (await sizeOf(to)) !== undefined) {
        await syncFolder(dirname(to));
        return false;
      }
      // A concurrent `remove` deletes the folders that it empties, so the next attempt creates them again.
      if (code === 'ENOENT' && attempt < 100) continue;
      if (['EEXIST', 'EISDIR', 'ENOTDIR'].includes(code)) {
        throw new Error(`Expected no object above or below ${to}, got one: choose another key`, { cause: error });
      }
      throw isLinkless(error) && !overwrite ? withoutLinks(dirname(to), error) : error;
    }
  }
}

const isLinkless = (error: unknown) => ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'].includes(codeOf(error));

function withoutLinks(folder: string, error: unknown): Error {
  return new Error(
    `Expected ${folder} to allow hard links, got ${codeOf(error)}: choose a store folder on a Unix file system`,
    { cause: error },
  );
}

/** Returns the bytes of the object; undefined when there is none. */
async function sizeOf(path: string): Promise<number | undefined> {
  return (await fileAt(path))?.size;
}

async function fileAt(path: string): Promise<Stats | undefined> {
  try {
    const found = await stat(path);
    return found.isFile() ? found : undefined;
  } catch (error) {
    if (isAbsence(error)) return undefined;
    throw error;
  }
}

async function readRange(path: string, range?: ByteRange): Promise<Buffer | undefined> {
  checkRange(range);
  const handle = await open(path, 'r').catch(error => {
    if (isAbsence(error)) return undefined;
    throw error;
  });
  if (!handle) return undefined;
  try {
    const found = await handle.stat();
    if (!found.isFile()) return undefined;
    const offset = Math.min(range?.offset ?? 0, found.size);
    const bytes = Buffer.allocUnsafeSlow(Math.min(range?.length ?? found.size, found.size - offset));
    for (let read = 0; read < bytes.length; ) {
      const { bytesRead } = await handle.read(bytes, read, Math.min(bytes.length - read, LARGEST_READ), offset + read);
      if (bytesRead === 0) throw new Error(`Expected ${path} to have ${found.size} bytes, got its end before`);
      read += bytesRead;
    }
    return bytes;
  } finally {
    await handle.close();
  }
}

async function* walk(folder: string, above: string, prefix: string): AsyncGenerator<Listed> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(error => {
    if (isAbsence(error)) return [];
    throw error;
  });
  // A folder sorts as its objects do, by its name with a slash: `a-b` < `a.b` < `a/b`.
  const named = entries
    .filter(entry => isSegment(entry.name))
    .map(entry => ({ entry, name: `${above}${entry.name}${entry.isDirectory() ? '/' : ''}` }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const { entry, name } of named) {
    if (entry.isDirectory()) {
      if (name.startsWith(prefix) || prefix.startsWith(name)) yield* walk(join(folder, entry.name), name, prefix);
    } else if (name.startsWith(prefix)) {
      const found = await fileAt(join(folder, entry.name));
      if (found) yield { key: name, size: found.size, modified: found.mtimeMs };
    }
  }
}

/** Removes the folder if it is empty. @returns false when it is not empty */
async function removedEmpty(folder: string): Promise<boolean> {
  try {
    await rmdir(folder);
    return true;
  } catch (error) {
    if (['ENOTEMPTY', 'EEXIST'].includes(codeOf(error))) return false;
    if (codeOf(error) === 'ENOENT') return true;
    throw error;
  }
}

const isAbsence = (error: unknown) => ['ENOENT', 'ENOTDIR', 'EISDIR', 'ENAMETOOLONG'].includes(codeOf(error));
