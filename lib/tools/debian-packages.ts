/** Fetches Debian 11's packages. Verifies them by the project's list of checksums if there is one, else by Debian's signatures. */
import { access, link, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { runChild } from '../process/child-process.ts';
import { which } from '../process/which.ts';
import { quote } from '../quote.ts';
import { sha256 } from './cache.ts';
import { type Report, seldom } from './missing-tool.ts';

const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';
/** Folder of apt's helpers, which is in no PATH. */
const HELPER_FOLDER = '/usr/lib/apt';
const WANTED = ['caffe', 'libopenblas0-pthread'];

/** A package whose checksum the project records. */
export interface Pin {
  /** Path below a mirror: `pool/main/c/caffe/caffe_1.0.0+git20180821.99bd997-8+b2_amd64.deb`. */
  path: string;
  sha256: string;
}

export interface Fetch {
  env: NodeJS.ProcessEnv;
  report: Report;
  signal?: AbortSignal;
}

/** Returns the packages that Caffe needs on this architecture, or null when the project has no list of them. */
export async function readPins(architecture: string): Promise<Pin[] | null> {
  const list = join(import.meta.dirname, `../../deploy/debian11-${architecture}.sha256`);
  const text = await readFile(list, 'utf8').catch(() => null);
  if (text === null) return null;
  return [...text.matchAll(/^([0-9a-f]{64}) {2}(\S+)$/gm)].map(([, sha256, path]) => ({
    sha256: sha256!,
    path: path!,
  }));
}

/**
 * Fetches the packages that a folder lacks. Only the checksums count: neither a signature nor the age of an index is checked.
 * @throws Error when the mirror lacks some or gives other bytes; the other packages are then in the folder
 */
export async function fetchPinned(
  folder: string,
  pins: readonly Pin[],
  mirror: string,
  { env, report, signal }: Fetch,
): Promise<void> {
  const missing = await lacking(folder, pins);
  if (missing.length === 0) return;
  const helper = await which('apt-helper', `${env.PATH}:${HELPER_FOLDER}`);
  if (helper === null) throw new Error(`Expected apt-helper in ${HELPER_FOLDER}, got none: install the package apt`);
  const words = missing.flatMap(pin => [
    `${mirror.replace(/\/$/, '')}/${pin.path.split('/').map(encodeURIComponent).join('/')}`,
    join(folder, basename(pin.path)),
    `SHA256:${pin.sha256}`,
  ]);
  const exit = await runChild([helper, ...options({ 'Acquire::Retries': '3' }), 'download-file', ...words], {
    env: { ...env, LC_ALL: 'C' },
    ...(signal && { signal }),
    onLine: progress('download Caffe', report),
  });
  signal?.throwIfAborted();
  const left = await lacking(folder, pins);
  if (left.length === 0) return;
  const name = basename(left[0]!.path);
  // The message omits the address, which may hold a password.
  const reasons = exit.tail.map(line => /^E: Failed to fetch (\S+) +(.+?)(?: \[IP: .*)?$/.exec(line));
  const reason = reasons.find(match => match !== null)?.[2] ?? `exit ${exit.code ?? exit.signal}`;
  throw new Error(
    `Expected ${pins.length} packages of Debian 11, got ${pins.length - left.length}: ${name}: ${quote(reason, 300)}`,
  );
}

/** Links the packages with the right checksums from another folder. */
export async function reusePinned(folder: string, pins: readonly Pin[], other: string): Promise<void> {
  const missing = new Set(await lacking(other, pins));
  for (const { path } of pins.filter(pin => !missing.has(pin))) {
    await link(join(other, basename(path)), join(folder, basename(path)));
  }
}

async function lacking(folder: string, pins: readonly Pin[]): Promise<Pin[]> {
  const wrong: Pin[] = [];
  for (const pin of pins) {
    const sum = await sha256(join(folder, basename(pin.path))).catch(() => null);
    if (sum !== pin.sha256) wrong.push(pin);
  }
  return wrong;
}

/**
 * Fetches Caffe and its dependencies, as apt resolves them, into a folder.
 * @throws Error with apt's first error or warning, or its last line
 */
export async function fetchSigned(folder: string, mirror: string, { env, report, signal }: Fetch): Promise<void> {
  await access(KEYRING).catch(() => {
    throw new Error(`Expected Debian's keys in ${KEYRING}, got nothing: install the package debian-archive-keyring`);
  });
  const state = join(folder, 'apt');
  await rm(state, { recursive: true, force: true });
  for (const path of [join(state, 'lists/partial'), join(folder, 'partial')]) await mkdir(path, { recursive: true });
  await writeFile(join(state, 'status'), '');
  await writeFile(join(state, 'sources.list'), `deb [signed-by=${KEYRING}] ${mirror} bullseye main\n`);
  const settings = options({
    'Dir::Etc::sourcelist': join(state, 'sources.list'),
    'Dir::Etc::sourceparts': '/dev/null',
    'Dir::Etc::preferences': '/dev/null',
    'Dir::Etc::preferencesparts': '/dev/null',
    'Dir::State': state,
    'Dir::State::lists': join(state, 'lists'),
    'Dir::State::status': join(state, 'status'),
    'Dir::Cache': state,
    'Dir::Cache::archives': folder,
    'Acquire::Retries': '3',
    'Acquire::Languages': 'none',
  });
  const apt = async (what: string, ...args: string[]) => {
    const started = Date.now();
    const exit = await runChild(['apt-get', ...settings, ...args], {
      env: { ...env, LC_ALL: 'C' },
      ...(signal && { signal }),
      onLine: progress(what, report),
    });
    signal?.throwIfAborted();
    if (exit.code !== 0) {
      const reason = exit.tail.filter(line => /^[EW]:/.test(line)).at(0) ?? exit.tail.at(-1) ?? 'no message';
      throw new Error(`Expected apt-get to ${what}, got exit ${exit.code ?? exit.signal}: ${quote(reason, 300)}`);
    }
    report(`${what}: done in ${Math.round((Date.now() - started) / 1000)} s`);
  };
  await apt('read the list of Debian 11 packages', 'update');
  await apt('download Caffe', 'install', '-y', '--no-install-recommends', '--download-only', ...WANTED);
  for (const left of (await readdir(folder)).filter(name => !name.endsWith('.deb'))) {
    await rm(join(folder, left), { recursive: true, force: true });
  }
}

/** Returns the command-line options for settings of apt. */
function options(settings: Record<string, string>): string[] {
  // When root runs apt, apt drops its rights to the user _apt, which may not enter root's folders.
  const all = { ...settings, ...(process.getuid?.() === 0 ? { 'APT::Sandbox::User': 'root' } : {}) };
  return Object.entries(all).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
}

/** Returns a line handler that reports now and then how many files apt has fetched. */
function progress(what: string, report: Report): (line: string) => void {
  const tell = seldom(report);
  let fetched = 0;
  return line => {
    if (/^Get:/.test(line)) fetched += 1;
    tell(`${what}: ${fetched} files`);
  };
}
