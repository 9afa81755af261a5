/** Finds programs as a shell would. */
import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { delimiter, resolve } from 'node:path';

/**
 * The absolute path of a program: a name is searched in `path` (a PATH), anything with a slash is taken relative to `cwd`.
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
