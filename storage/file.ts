/**
 * The store in a folder: an object is a file, its key the file's path. What is not yet an object lies below `.tmp/`.
 *
 * An object appears by `link`, which fails where there is one already, or by `rename`, which replaces it whole.
 */
import type { Stats } from 'node:fs';
import { link, open, readdir, rename, rm, rmdir, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { checkRange } from './byte-range.ts';
import { crc32c } from './checksum.ts';
import { errorCode, freeIn, makeFolder, syncFolder, withRoom, writeDurably } from './durable-files.ts';
import { heldByUploads, removeLeftovers } from './file-attempts.ts';
import { openFileUpload } from './file-upload.ts';
import { checkKey, isSegment } from './key-names.ts';
import { ownerName } from './owner.ts';
import { type ArtifactStore, type ByteRange, type Listed, ObjectNotFound } from './store.ts';

/** Bytes read at a time. */
const CHUNK = 8 * 1024 * 1024;
/** The largest single read that Node allows is 2 GiB less a byte. */
const LARGEST_READ = 1024 ** 3;

/**
 * @param folder made when something is first stored; its file system must know hard links
 */
export function createFileStore(folder: string): ArtifactStore {
  const root = resolve(folder);
  const url = `file:${root}`;
  const temporary = join(root, '.tmp');
  const pathOf = (key: string) => {
    checkKey(key);
    return join(root, key);
  };

  let prepared: Promise<void> | undefined;
  const prepare = async () => {
    prepared ??= removeLeftovers(temporary);
    prepared.catch(() => {
      prepared = undefined;
    });
    await prepared;
    await makeFolder(join(temporary, 'passing'));
  };

  return {
    url,

    async check() {
      await prepare();
      const temp = join(temporary, 'passing', ownerName());
      await writeDurably(temp, Buffer.alloc(0)).finally(() => rm(temp, { force: true }));
    },

    async get(key, range) {
      const bytes = await readRange(pathOf(key), range);
      if (!bytes) throw new ObjectNotFound(key, url);
      return bytes;
    },

    async put(key, bytes, { overwrite = false } = {}) {
      const final = pathOf(key);
      await prepare();
      if (!overwrite && (await sizeOf(final)) !== undefined) {
        await syncFolder(dirname(final));
        return { created: false };
      }
      const temp = join(temporary, 'passing', ownerName());
      try {
        await withRoom(root, bytes.length, () => writeDurably(temp, bytes));
        return { created: await appear(temp, final, overwrite) };
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

    async room() {
      await makeFolder(root);
      return (await freeIn(root)) + (await heldByUploads(temporary));
    },

    async openUpload(key, options) {
      const final = pathOf(key);
      await prepare();
      return openFileUpload(
        {
          key,
          temporary,
          publish: file => appear(file, final, false),
          existing: size => checksumOf(final, size),
        },
        options,
      );
    },
  };
}

/** Makes the finished file `from` the object at `to`; false when one is there and stays. */
async function appear(from: string, to: string, overwrite: boolean): Promise<boolean> {
  for (let attempt = 1; ; attempt++) {
    try {
      await makeFolder(dirname(to));
      if (overwrite) await rename(from, to);
      else await link(from, to);
      await syncFolder(dirname(to));
      return true;
    } catch (error) {
      const code = errorCode(error);
      if (code === 'EEXIST' && (await sizeOf(to)) !== undefined) {
        await syncFolder(dirname(to));
        return false;
      }
      // Whoever removes an object removes the folders that it leaves empty: make them again.
      if (code === 'ENOENT' && attempt < 100) continue;
      if (['EEXIST', 'EISDIR', 'ENOTDIR'].includes(code)) {
        throw new Error(`Expected no object above or below ${to}, got one: choose another key`, { cause: error });
      }
      if (['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'].includes(code)) {
        throw new Error(
          `Expected ${dirname(to)} to allow hard links, got ${code}: choose a store folder on a Unix file system`,
          { cause: error },
        );
      }
      throw error;
    }
  }
}

/** Bytes of the object; undefined where there is none. */
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

/** CRC-32C of the file; undefined where there is none of this size. */
async function checksumOf(path: string, size: number): Promise<number | undefined> {
  if ((await sizeOf(path)) !== size) return undefined;
  let crc = 0;
  for (let offset = 0; offset < size; offset += CHUNK) {
    crc = crc32c((await readRange(path, { offset, length: CHUNK })) ?? Buffer.alloc(0), crc);
  }
  return crc;
}

async function* walk(folder: string, above: string, prefix: string): AsyncGenerator<Listed> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(error => {
    if (isAbsence(error)) return [];
    throw error;
  });
  // A folder sorts as its objects do, by the name with a slash: `a-b` < `a.b` < `a/b`.
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

/** Removes the folder if it is empty. */
async function removedEmpty(folder: string): Promise<boolean> {
  try {
    await rmdir(folder);
    return true;
  } catch (error) {
    if (['ENOTEMPTY', 'EEXIST'].includes(errorCode(error))) return false;
    if (errorCode(error) === 'ENOENT') return true;
    throw error;
  }
}

const isAbsence = (error: unknown) => ['ENOENT', 'ENOTDIR', 'EISDIR', 'ENAMETOOLONG'].includes(errorCode(error));
