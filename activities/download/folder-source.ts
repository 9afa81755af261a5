/** Reads a folder that holds the parts and labels, as they are or each in a one-entry zip. Never writes to it. */
import { readdir, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { allowedPath, FileRefusal, openAllowed } from '../../lib/allowed-files.ts';
import { quote } from '../../lib/quote.ts';
import { codeOf } from '../../lib/system-errors.ts';
import { sha256 } from '../../storage/checksum.ts';
import { finalFailure, unusable } from '../failures.ts';
import { type ArchiveSource, SourceChanged, type SourceObject, type SourceVersion, sameVersion } from './source.ts';

/** Bytes of one read. */
const PIECE = 1 << 20;
/** The size is unlimited, because a part is read piece by piece. */
const LIMITS = { setting: 'source', max: Number.MAX_SAFE_INTEGER };

/** Returns a source that reads the folder. @param env names the folders that an input may use */
export function createFolderSource(path: string, env: NodeJS.ProcessEnv): ArchiveSource {
  const folder = resolve(path);
  return {
    name: folder,
    folder: `file-${sha256(folder).slice(0, 12)}`,
    list: () => listFolder(folder, env),
    open: (file, _signal, unless) => openFile(folder, file, env, unless),
  };
}

/** Lists the files. A wrapped part appears under its own name, as at Kaggle. */
async function listFolder(folder: string, env: NodeJS.ProcessEnv) {
  const entries = await allowedPath(folder, env, LIMITS.setting)
    .then(real => readdir(real, { withFileTypes: true }))
    .catch(error => {
      throw refused(error, `Expected ${quote(folder, 200)} to be a folder that this machine can read`);
    });
  const files = new Map<string, { name: string; size: number; date: string }>();
  // In this order a bare part wins over a wrapped one of the same name.
  for (const { name: found } of entries.sort((a, b) => (a.name < b.name ? 1 : -1))) {
    const about = await allowedPath(join(folder, found), env, LIMITS.setting)
      .then(real => stat(real))
      .catch(error => (error instanceof FileRefusal ? 'elsewhere' : undefined));
    const name = found.replace(/(\.\d{3})\.zip$/, '$1');
    // A file outside the allowed folders is listed, so that opening it reports the refusal. Any other error leaves the file out.
    if (about === 'elsewhere') files.set(name, { name, size: 0, date: '' });
    else if (about?.isFile()) files.set(name, { name, size: about.size, date: about.mtime.toISOString() });
  }
  return [...files.values()].reverse();
}

async function openFile(
  folder: string,
  file: string,
  env: NodeJS.ProcessEnv,
  unless?: SourceVersion,
): Promise<SourceObject | 'unchanged'> {
  if (basename(file) !== file) throw finalFailure('BadInput', `Expected the name of a file, got ${quote(file)}`);
  const bare = await versionOf(join(folder, file), env);
  const servedAs = bare ? file : `${file}.zip`;
  const path = join(folder, servedAs);
  const version = bare ?? (await versionOf(path, env));
  if (!version) {
    throw finalFailure('BadInput', `Expected ${file} or ${file}.zip in ${quote(folder, 200)}, got neither`);
  }
  if (unless && sameVersion(version, unless)) return 'unchanged';
  return {
    servedAs,
    version,
    crc32c: null,
    async *stream({ offset, length }, signal) {
      const changed = () =>
        new SourceChanged(`Expected ${quote(path, 200)} to stay as it was (${version.size} bytes), got another file`);
      const { handle } = await openAllowed(path, env, LIMITS).catch(error => {
        throw codeOf(error) === 'ENOENT' ? changed() : refused(error, `Expected to read ${quote(path, 200)}`);
      });
      try {
        for (let read = 0; read < length; ) {
          signal.throwIfAborted();
          const piece = Buffer.allocUnsafeSlow(Math.min(PIECE, length - read));
          const { bytesRead } = await handle.read(piece, 0, piece.length, offset + read);
          const now = await versionOf(path, env);
          if (bytesRead === 0 || !now || !sameVersion(now, version)) throw changed();
          yield piece.subarray(0, bytesRead);
          read += bytesRead;
        }
      } finally {
        await handle.close();
      }
    },
  };
}

async function versionOf(path: string, env: NodeJS.ProcessEnv): Promise<SourceVersion | undefined> {
  try {
    const { size, mtimeNs } = await stat(await allowedPath(path, env, LIMITS.setting), { bigint: true });
    return { validator: `mtime ${mtimeNs}`, size: Number(size) };
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(codeOf(error))) return undefined;
    throw refused(error, `Expected to read ${quote(path, 200)}`);
  }
}

function refused(error: unknown, expected: string): unknown {
  if (error instanceof FileRefusal) return finalFailure('BadInput', error.message);
  return unusable('BadInput', expected, error);
}
