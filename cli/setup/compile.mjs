/**
 * Compiles the command into node_modules/.cache when its sources have changed. A loader that compiles each module as it is imported
 * costs every process of a run two seconds of CPU.
 */
import { createHash } from 'node:crypto';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

const ROOT = join(import.meta.dirname, '..', '..');
const CACHE = join(ROOT, 'node_modules', '.cache', 'retinopathy');
/** Names the folder of the last build, all of its source and output files, and their hash. */
const LATEST = join(CACHE, 'latest.json');
/** A process may import from a build for as long as it runs. Each start renews the time of the build that it uses. */
const KEEP_MS = 7 * 86_400_000;

/**
 * Returns the URL of the compiled `cli/main.ts`; undefined where node_modules cannot be written.
 * @throws Error with a one-line message when the command does not compile
 */
export async function compile() {
  try {
    const folder = latestBuild() ?? (await build());
    renewTime(folder);
    return pathToFileURL(join(folder, 'main.js')).href;
  } catch (error) {
    if (['EACCES', 'EROFS', 'EPERM'].includes(error.code)) return undefined;
    const { text = error.message, location } = error.errors?.[0] ?? {};
    throw new Error(
      `Expected to compile the command, got ${location ? `${location.file}:${location.line}: ` : ''}${text}`,
    );
  }
}

function latestBuild() {
  try {
    const { folder, files, hash } = JSON.parse(readFileSync(LATEST, 'utf8'));
    return hashOf(files) === hash ? folder : undefined;
  } catch {
    return undefined;
  }
}

async function build() {
  mkdirSync(CACHE, { recursive: true });
  const folder = mkdtempSync(join(CACHE, 'build-'));
  try {
    const files = [...(await bundle(folder)), 'cli/setup/compile.mjs', 'package-lock.json'].sort();
    const latest = join(folder, 'latest.json');
    writeFileSync(latest, JSON.stringify({ folder, files, hash: hashOf(files) }));
    renameSync(latest, LATEST);
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
  removeUnused();
  return folder;
}

/** Sets the folder's time to now, where this user may: in an image the build belongs to root. */
function renewTime(folder) {
  try {
    utimesSync(folder, new Date(), new Date());
  } catch (error) {
    if (!['EACCES', 'EROFS', 'EPERM'].includes(error.code)) throw error;
  }
}

/** Removes builds that no start has used for a week. Two starts may remove the same one. */
function removeUnused() {
  for (const name of readdirSync(CACHE)) {
    const old = join(CACHE, name);
    const usedAt = statSync(old, { throwIfNoEntry: false })?.mtimeMs ?? Number.POSITIVE_INFINITY;
    if (name.startsWith('build-') && usedAt < Date.now() - KEEP_MS) rmSync(old, { recursive: true, force: true });
  }
}

/** Bundles the command. Returns the paths of all source and output files, relative to the project. */
async function bundle(folder) {
  const esbuild = await import('esbuild');
  try {
    const { metafile } = await esbuild.build({
      absWorkingDir: ROOT,
      entryPoints: ['cli/main.ts'],
      outdir: folder,
      bundle: true,
      splitting: true,
      packages: 'external',
      platform: 'node',
      target: 'node20.19',
      format: 'esm',
      // Errors and logs show the names of classes and functions.
      keepNames: true,
      metafile: true,
      logLevel: 'silent',
      plugins: [{ name: 'source-paths', setup: keepSourcePaths }],
    });
    return [...Object.keys(metafile.inputs), ...Object.keys(metafile.outputs)];
  } finally {
    await esbuild.stop();
  }
}

/** Keeps `import.meta` of each module as in its source, because style sheets, scripts and networks are read beside it. */
function keepSourcePaths({ onLoad }) {
  onLoad({ filter: /\.(ts|mjs)$/ }, ({ path }) => {
    const contents = readFileSync(path, 'utf8')
      .replaceAll('import.meta.url', JSON.stringify(pathToFileURL(path).href))
      .replaceAll('import.meta.dirname', JSON.stringify(dirname(path)));
    return { contents, loader: 'ts' };
  });
}

function hashOf(files) {
  const hash = createHash('sha256').update(ROOT);
  for (const path of files) hash.update(`\0${path}\0`).update(readFileSync(join(ROOT, path)));
  return hash.digest('hex');
}
