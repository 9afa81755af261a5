/** A folder that holds the parts and labels, as they are or each in a one-entry zip. It is only ever read. */
import { open, readdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { sha256 } from '../../storage/checksum.ts';
import { finalFailure } from '../failures.ts';
import { type ArchiveSource, SourceChanged, type SourceObject, type SourceVersion, sameVersion } from './source.ts';

/** Bytes read at a time. */
const PIECE = 1 << 20;

export function createFolderSource(path: string): ArchiveSource {
  const folder = resolve(path);
  return {
    name: folder,
    folder: `file-${sha256(folder).slice(0, 12)}`,
    list: () => listFolder(folder),
    open: (file, _signal, unless) => openFile(folder, file, unless),
  };
}

/** A wrapped part is listed under its own name, as at Kaggle. */
async function listFolder(folder: string) {
  const entries = await readdir(folder, { withFileTypes: true }).catch(error => {
    throw finalFailure('BadInput', `Expected ${folder} to be a folder that this machine can read, got ${error.code}`);
  });
  const files = new Map<string, { name: string; size: number; date: string }>();
  // In this order a bare part wins over a wrapped one of the same name.
  for (const { name: found } of entries.sort((a, b) => (a.name < b.name ? 1 : -1))) {
    const about = await stat(join(folder, found)).catch(() => undefined);
    if (!about?.isFile()) continue;
    const { size, mtime } = about;
    const name = found.replace(/(\.\d{3})\.zip$/, '$1');
    files.set(name, { name, size, date: mtime.toISOString() });
  }
  return [...files.values()].reverse();
}

async function openFile(folder: string, file: string, unless?: SourceVersion): Promise<SourceObject | 'unchanged'> {
  const bare = await versionOf(join(folder, file));
  const servedAs = bare ? file : `${file}.zip`;
  const path = join(folder, servedAs);
  const version = bare ?? (await versionOf(path));
  if (!version) throw finalFailure('BadInput', `Expected ${file} or ${file}.zip in ${folder}, got neither`);
  if (unless && sameVersion(version, unless)) return 'unchanged';
  return {
    servedAs,
    version,
    crc32c: null,
    async *stream({ offset, length }, signal) {
      const handle = await open(path);
      try {
        for (let read = 0; read < length; ) {
          signal.throwIfAborted();
          const piece = Buffer.allocUnsafeSlow(Math.min(PIECE, length - read));
          const { bytesRead } = await handle.read(piece, 0, piece.length, offset + read);
          const now = await versionOf(path);
          if (bytesRead === 0 || !now || !sameVersion(now, version)) {
            throw new SourceChanged(`Expected ${path} to stay as it was (${version.size} bytes), got another file`);
          }
          yield piece.subarray(0, bytesRead);
          read += bytesRead;
        }
      } finally {
        await handle.close();
      }
    },
  };
}

async function versionOf(path: string): Promise<SourceVersion | undefined> {
  try {
    const { size, mtimeNs } = await stat(path, { bigint: true });
    return { validator: `mtime ${mtimeNs}`, size: Number(size) };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw finalFailure('BadInput', `Expected to read ${path}, got ${code}`);
  }
}
