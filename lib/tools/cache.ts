/** Cache folder of built tools, shared by runs and projects, and safe for several starts at once. */
import { createHash } from 'node:crypto';
import { constants, createReadStream, existsSync } from 'node:fs';
import { access, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { isAbsolute, join, relative } from 'node:path';
import { pipeline } from 'node:stream/promises';
import pLimit from 'p-limit';
import { homeFolder } from '../home-folder.ts';
import { lockFile } from '../process/file-lock.mjs';
import { ownerName, stateOfOwner } from '../process/process-id.mjs';

/**
 * Returns `$XDG_CACHE_HOME/retinopathy`, or `~/.cache/retinopathy`. A relative XDG_CACHE_HOME is ignored, as its specification
 * requires.
 */
export function cacheFolder(env: NodeJS.ProcessEnv): string {
  const base = env.XDG_CACHE_HOME;
  return join(base && isAbsolute(base) ? base : join(homeFolder(env), '.cache'), 'retinopathy');
}

export interface Build {
  /** Path of the cache folder. */
  cache: string;
  /** Name of the folder in the cache that is built. */
  name: string;
  /** Name of the tool in messages: `the Temporal CLI`. */
  tool: string;
  /** Returns the reason why the tool in a folder does not run, or null when it runs. */
  fault: (folder: string) => Promise<string | null>;
  /**
   * Fills the given folder. The folder is renamed afterwards, so its files must not hold its path.
   * @param damaged the folder that the new one will replace, if any
   */
  make: (folder: string, damaged: string | null) => Promise<void>;
  report: (line: string) => void;
}

/** Age at which a build's folder counts as abandoned. No build takes as long. */
const ABANDONED_MS = 24 * 3_600_000;

/**
 * Builds `<cache>/<name>`, unless it exists and runs. If several processes ask at once, one builds it and the others wait.
 * Replaces a tool that does not run only if its files are damaged, and only after the new one has run.
 * @returns the folder's path
 * @throws the error of `make`; Error when the new tool does not run, or the present one is intact but does not run here
 */
export async function buildOnce({ cache, name, tool, fault, make, report }: Build): Promise<string> {
  const target = join(cache, name);
  await mkdir(cache, { recursive: true }).catch(error => {
    throw new Error(
      `Expected the cache folder ${cache} to be one that can be written, got ${error.code}: set XDG_CACHE_HOME to another`,
    );
  });
  const lock = await lockFile(join(cache, `${name}.lock`), {
    onWait: (pid, seconds) => report(`waiting for process ${pid}, which is making ${name} (${seconds} s)`),
  });
  try {
    const present = existsSync(target);
    if (present) {
      const found = await fault(target);
      if (found === null) return target;
      const { intact, reason } = await explainFault(tool, target, found);
      if (intact) throw new Error(reason);
      report(`${reason}; it will be replaced once a new one runs`);
    }
    await removeAbandoned(cache, name);
    const part = join(cache, `${name}.part-${ownerName()}`);
    await mkdir(part);
    try {
      await needExecutables(part);
      await make(part, present ? target : null);
      const found = await fault(part);
      if (found !== null) throw new Error(found);
      await writeManifest(part);
      await replace(target, part, present ? join(cache, `${name}.old-${ownerName()}`) : null);
    } catch (error) {
      await rm(part, { recursive: true, force: true });
      throw error;
    }
    return target;
  } finally {
    lock.release();
  }
}

/**
 * Explains why a tool does not run. An intact tool is as it was built, and may run in another environment or on another machine.
 * `reason` names the damage otherwise.
 */
export async function explainFault(
  tool: string,
  folder: string,
  fault: string,
): Promise<{ intact: boolean; reason: string }> {
  const damage = await findDamage(folder);
  if (damage === null)
    return { intact: true, reason: `${tool} in ${folder} is intact but does not run here: ${fault}` };
  return { intact: false, reason: `${tool} in ${folder} does not run (${fault}), and ${damage}` };
}

async function replace(target: string, part: string, old: string | null): Promise<void> {
  if (old === null) return rename(part, target);
  await rename(target, old);
  try {
    await rename(part, target);
  } catch (error) {
    await rename(old, target);
    throw error;
  }
  await rm(old, { recursive: true, force: true });
}

/** Removes the folders of builds whose process has ended. A process on another machine cannot be checked, so the age decides. */
async function removeAbandoned(cache: string, name: string): Promise<void> {
  for (const entry of await readdir(cache)) {
    const prefix = [`${name}.part-`, `${name}.old-`].find(prefix => entry.startsWith(prefix));
    if (prefix === undefined) continue;
    const path = join(cache, entry);
    const abandoned =
      stateOfOwner(entry.slice(prefix.length)) === 'gone' || Date.now() - (await stat(path)).mtimeMs > ABANDONED_MS;
    if (abandoned) await rm(path, { recursive: true, force: true });
  }
}

/** Checks, before any download, that programs may run from the folder. @throws Error when they may not */
async function needExecutables(folder: string): Promise<void> {
  const probe = join(folder, 'probe');
  await writeFile(probe, '', { mode: 0o755 });
  await access(probe, constants.X_OK).catch(error => {
    throw new Error(
      `Expected to run programs from ${folder}, got ${error.code}: its file system is mounted noexec; set XDG_CACHE_HOME to a folder of another one`,
    );
  });
  await rm(probe);
}

/** Distinguishes a damaged tool from one that does not suit this machine. In the format of `sha256sum`, for checks by hand. */
const MANIFEST = 'SHA256SUMS';

/** Writes the checksums of a folder's files. A link counts as its target, such as the Python of an environment. */
export async function writeManifest(folder: string): Promise<void> {
  const limit = pLimit(availableParallelism());
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries.map(entry => relative(folder, join(entry.parentPath, entry.name)));
  const lines = await Promise.all(
    // Python may recompile its modules at any time.
    paths
      .filter(path => !path.endsWith('.pyc') && !path.includes('\n'))
      .map(path => limit(() => describe(folder, path))),
  );
  await writeFile(
    join(folder, MANIFEST),
    `${lines
      .filter(line => line !== null)
      .sort()
      .join('\n')}\n`,
  );
}

/**
 * Compares a folder with its manifest.
 * @returns the damage, or null when all files have their recorded checksums
 */
async function findDamage(folder: string): Promise<string | null> {
  const text = await readFile(join(folder, MANIFEST), 'utf8').catch(() => null);
  if (text === null) return 'it has no list of checksums';
  const limit = pLimit(availableParallelism());
  const damaged = await Promise.all(
    text
      .split('\n')
      .filter(line => line !== '')
      .map(line =>
        limit(async () => {
          const path = line.slice(66);
          return (await describe(folder, path).catch(() => null)) === line ? null : path;
        }),
      ),
  );
  const first = damaged.find(path => path !== null);
  return first === undefined ? null : `its file ${first} is damaged`;
}

/** Returns `<checksum>  <path>`, or null when the path is no file. */
async function describe(folder: string, path: string): Promise<string | null> {
  const file = join(folder, path);
  try {
    if (!(await stat(file)).isFile()) return null;
  } catch {
    return null;
  }
  return `${await sha256(file)}  ${path}`;
}

/** Returns the SHA-256 of a file in hexadecimal. */
export async function sha256(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}
