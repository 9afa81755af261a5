/** Finds programs as a shell does. */
import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { delimiter, resolve } from 'node:path';

/**
 * Returns the absolute path of a program. Searches a plain name in `path` (a PATH), and resolves a name with a slash from `cwd`.
 * @returns null when there is no such executable file
 */
export async function which(
  program: string,
  path = process.env.PATH ?? '',
  cwd = process.cwd(),
): Promise<string | null> {
  const candidates = program.includes('/')
    ? [resolve(cwd, program)]
    : path
        .split(delimiter)
        .filter(folder => folder !== '')
        .map(folder => resolve(cwd, folder, program));
  for (const candidate of candidates) {
    try {
      await access(candidate, constants.X_OK);
      if ((await stat(candidate)).isFile()) return candidate;
    } catch {}
  }
  return null;
}
