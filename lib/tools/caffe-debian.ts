/** Unpacks Debian 11's Caffe into a folder of its own, without root and without changes to the host's packages. */
import { mkdir, readdir } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import pLimit from 'p-limit';
import { runChild } from '../process/child-process.ts';
import { which } from '../process/which.ts';
import { quote } from '../quote.ts';
import { type Fetch, fetchPinned, fetchSigned, type Pin, readPins, reusePinned } from './debian-packages.ts';
import { reasonOf } from './missing-tool.ts';

/** Debian's archive of retired suites, which mirrors have dropped. */
const ARCHIVE = 'http://archive.debian.org/debian';
const DEBS = 'debs';

/**
 * Returns the Debian mirror that this machine's apt uses, or the setting RETINOPATHY_DEBIAN_MIRROR.
 * @returns null when apt or dpkg is missing, or apt knows no Debian mirror (Ubuntu)
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

export interface Install extends Fetch {
  mirror: string;
  /** Folder of an earlier install. Its packages with the right checksums are reused. */
  earlier?: string | null;
  /** Packages in place of the project's list. */
  pins?: readonly Pin[];
}

/**
 * Downloads and unpacks Caffe with its dependencies: about 155 packages, 90 MB, 360 MB unpacked in `folder/root`. Packages that the
 * mirror lacks come from Debian's archive of retired suites, or from the mirror that RETINOPATHY_DEBIAN_ARCHIVE names.
 * The packages stay in `folder/debs`, from which a damaged tree is rebuilt without a network.
 * @param folder absolute, existing and empty
 * @throws Error with the reasons of both mirrors
 */
export async function installDebianCaffe(folder: string, install: Install): Promise<void> {
  const { mirror, earlier, env, report, signal } = install;
  const debs = join(folder, DEBS);
  const root = join(folder, 'root');
  for (const path of [debs, root]) await mkdir(path);
  const architecture = (await runChild(['dpkg', '--print-architecture'], { env })).tail.at(-1) ?? '';
  const pins = install.pins ?? (await readPins(architecture));
  if (pins !== null && earlier) await reusePinned(debs, pins, join(earlier, DEBS));
  const fetch = (from: string) =>
    pins === null ? fetchSigned(debs, from, install) : fetchPinned(debs, pins, from, install);
  await fetch(mirror).catch(async error => {
    signal?.throwIfAborted();
    report(`${reasonOf(error)}; going on with Debian's archive of retired suites`);
    await fetch(env.RETINOPATHY_DEBIAN_ARCHIVE || ARCHIVE).catch(second => {
      signal?.throwIfAborted();
      throw new Error(`${reasonOf(error)}; from Debian's archive: ${reasonOf(second)}`);
    });
  });
  const names = (await readdir(debs)).filter(name => name.endsWith('.deb'));
  report(`unpacking ${names.length} packages`);
  const limit = pLimit(availableParallelism());
  await Promise.all(
    names.map(deb =>
      limit(async () => {
        const { code, tail } = await runChild(['dpkg', '-x', join(debs, deb), root], {
          env,
          ...(signal && { signal }),
        });
        signal?.throwIfAborted();
        if (code !== 0)
          throw new Error(`Expected ${deb} to unpack, got exit ${code}: ${quote(tail.at(-1) ?? 'no message', 300)}`);
      }),
    ),
  );
}
