/** Debian 11's Caffe unpacked into a folder of its own: no root, nothing of the host's packages touched. */
import { access, mkdir, readdir, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import pLimit from 'p-limit';
import { runChild } from '../system/child-process.ts';
import { which } from '../system/which.ts';
import type { Report } from './missing-tool.ts';

const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

/**
 * The Debian mirror this machine's apt uses, or the setting RETINOPATHY_DEBIAN_MIRROR.
 * @returns null where there is no apt, or apt knows no Debian mirror (Ubuntu)
 */
export async function debianMirror(env: NodeJS.ProcessEnv): Promise<string | null> {
  if ((await which('apt-get', env.PATH)) === null || (await which('dpkg', env.PATH)) === null) return null;
  if (env.RETINOPATHY_DEBIAN_MIRROR) return env.RETINOPATHY_DEBIAN_MIRROR;
  const { code, tail } = await runChild(
    ['apt-get', 'indextargets', '--format', '$(REPO_URI)', 'Created-By: Packages', 'Origin: Debian', 'Label: Debian'],
    { env },
  );
  return code === 0 ? (tail.find(line => /^[a-z+]+:/.test(line)) ?? null) : null;
}

/**
 * Downloads and unpacks Caffe with all it needs: about 155 packages, 90 MB, 360 MB unpacked in `folder/root`.
 * The packages stay in `folder/cache`: Debian 11 is old, and mirrors drop old releases.
 * @param folder absolute, existing and empty
 * @throws with apt's own last words
 */
export async function installDebianCaffe(
  folder: string,
  mirror: string,
  env: NodeJS.ProcessEnv,
  report: Report,
  signal?: AbortSignal,
): Promise<void> {
  await access(KEYRING).catch(() => {
    throw new Error(`Expected Debian's keys in ${KEYRING}, got nothing: install the package debian-archive-keyring`);
  });
  const root = join(folder, 'root');
  for (const path of ['lists/partial', 'cache/archives/partial', 'root'])
    await mkdir(join(folder, path), { recursive: true });
  await writeFile(join(folder, 'status'), '');
  await writeFile(join(folder, 'sources.list'), `deb [signed-by=${KEYRING}] ${mirror} bullseye main\n`);
  const settings = {
    'Dir::Etc::sourcelist': join(folder, 'sources.list'),
    'Dir::Etc::sourceparts': '/dev/null',
    'Dir::Etc::preferences': '/dev/null',
    'Dir::Etc::preferencesparts': '/dev/null',
    'Dir::State': folder,
    'Dir::State::lists': join(folder, 'lists'),
    'Dir::State::status': join(folder, 'status'),
    'Dir::Cache': join(folder, 'cache'),
    'Acquire::Retries': '3',
    'Acquire::Languages': 'none',
    // The user _apt, to whom root's apt gives up its rights, may not enter root's folders.
    ...(process.getuid?.() === 0 ? { 'APT::Sandbox::User': 'root' } : {}),
  };
  const apt = async (what: string, ...args: string[]) => {
    const options = Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
    const started = Date.now();
    const exit = await runChild(['apt-get', ...options, ...args], {
      env: { ...env, LC_ALL: 'C' },
      ...(signal && { signal }),
      onLine: progress(what, report),
    });
    signal?.throwIfAborted();
    if (exit.code !== 0) {
      const reason = exit.tail.filter(line => /^[EW]:/.test(line)).at(0) ?? exit.tail.at(-1) ?? 'no message';
      throw new Error(`Expected apt-get to ${what}, got exit ${exit.code ?? exit.signal}: ${reason}`);
    }
    report(`${what}: done in ${Math.round((Date.now() - started) / 1000)} s`);
  };
  await apt('read the list of Debian 11 packages', 'update');
  const packages = ['caffe', 'libopenblas0-pthread'];
  await apt('download Caffe', 'install', '-y', '--no-install-recommends', '--download-only', ...packages);
  const archives = join(folder, 'cache', 'archives');
  const debs = (await readdir(archives)).filter(name => name.endsWith('.deb'));
  report(`unpacking ${debs.length} packages`);
  const limit = pLimit(availableParallelism());
  await Promise.all(
    debs.map(deb =>
      limit(async () => {
        const { code, tail } = await runChild(['dpkg', '-x', join(archives, deb), root], {
          env,
          ...(signal && { signal }),
        });
        signal?.throwIfAborted();
        if (code !== 0) throw new Error(`Expected ${deb} to unpack, got exit ${code}: ${tail.at(-1) ?? 'no message'}`);
      }),
    ),
  );
}

/** Says at most every five seconds how many files apt has fetched. */
function progress(what: string, report: Report): (line: string) => void {
  let fetched = 0;
  let last = Date.now();
  return line => {
    if (/^Get:/.test(line)) fetched += 1;
    if (Date.now() - last < 5_000) return;
    last = Date.now();
    report(`${what}: ${fetched} files`);
  };
}
