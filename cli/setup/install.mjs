/** Installs the packages of package-lock.json into node_modules. Plain JavaScript without dependencies, as it runs before them. */
import './preconditions.mjs';
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, realpathSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { lockFile } from '../../lib/process/file-lock.mjs';

const ROOT = join(import.meta.dirname, '..', '..');
const STILL_THERE_MS = 10_000;
/** Name of the old node_modules while a new one is installed. */
const SET_ASIDE = '.node_modules.old';

/**
 * Runs `npm ci` unless the installed packages match the lock file. Of two processes at once, one installs and the other waits.
 * @param {{ root?: string, dev?: boolean }} [options] `dev`: requires the packages that only tests need, too
 * @throws when npm fails: one line that says what was expected, then npm's own
 */
export async function install({ root = ROOT, dev = false } = {}) {
  if (isInstalled(root, dev)) return;
  const say = line => process.stderr.write(`${line}\n`);
  const lock = await lockFile(join(root, '.install.lock'), {
    onWait: (pid, seconds) => say(`waiting for process ${pid}, which is installing the dependencies (${seconds} s)`),
  });
  try {
    restore(root);
    if (isInstalled(root, dev)) return;
    say('installing the dependencies (npm ci): about half a minute');
    const started = Date.now();
    const seconds = () => Math.round((Date.now() - started) / 1000);
    const sign = setInterval(() => say(`still installing the dependencies (${seconds()} s)`), STILL_THERE_MS);
    try {
      setAside(root);
      await npmCi(root, lock);
      rmSync(join(root, SET_ASIDE), { recursive: true, force: true });
    } catch (error) {
      restore(root);
      throw error;
    } finally {
      clearInterval(sign);
    }
    say(`dependencies installed in ${seconds()} s`);
  } finally {
    lock.release();
  }
}

/**
 * Returns whether node_modules matches package-lock.json. npm lists what it installed in node_modules/.package-lock.json, last of
 * all. An install that failed or was killed leaves none, or an old one, and is repeated.
 */
export function isInstalled(root = ROOT, dev = false) {
  const wanted = readPackages(join(root, 'package-lock.json'));
  const present = readPackages(join(root, 'node_modules', '.package-lock.json'));
  if (wanted === undefined)
    throw new Error(`Expected ${join(root, 'package-lock.json')}, got none: clone the project anew`);
  if (present === undefined) return false;
  return Object.entries(wanted).every(([path, entry]) => {
    if (path === '') return true;
    const found = present[path];
    if (found === undefined) return mayBeMissing(entry, dev);
    return found.version === entry.version && found.integrity === entry.integrity;
  });
}

/**
 * Returns whether a package may be missing. Optional packages hold the binaries of one platform each. This machine needs its own,
 * even if the folder came from another machine.
 */
function mayBeMissing(entry, dev) {
  if (!dev && (entry.dev || entry.devOptional)) return true;
  if (!entry.optional && !entry.devOptional) return false;
  const elsewhere = (list, own) => list !== undefined && !list.includes(own);
  const isOurs =
    entry.os !== undefined && !elsewhere(entry.os, process.platform) && !elsewhere(entry.cpu, process.arch);
  // Detecting the C library takes longer than all other checks, and a foreign folder also lacks packages of other kinds.
  return !isOurs || entry.libc !== undefined;
}

function readPackages(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8')).packages;
  } catch {
    return undefined;
  }
}

/** Moves node_modules aside, because npm removes it before it knows whether it can fetch the new packages. */
function setAside(root) {
  try {
    renameSync(join(root, 'node_modules'), join(root, SET_ASIDE));
  } catch {
    // There is no such folder, or it cannot be moved because it is a mount point.
  }
}

/** Restores the old node_modules after an install that failed or was killed. */
function restore(root) {
  if (!existsSync(join(root, SET_ASIDE))) return;
  rmSync(join(root, 'node_modules'), { recursive: true, force: true });
  renameSync(join(root, SET_ASIDE), join(root, 'node_modules'));
}

async function npmCi(root, lock) {
  const command = [...npmCommand(), 'ci', '--no-audit', '--no-fund', '--no-progress', '--loglevel=error'];
  // When this process is killed, npm must not continue alone, without the lock.
  if (existsSync('/usr/bin/setpriv')) command.unshift('/usr/bin/setpriv', '--pdeathsig', 'KILL', '--');
  const npm = spawn(command[0], command.slice(1), { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  if (npm.pid !== undefined) lock.share(npm.pid);
  let output = '';
  for (const stream of [npm.stdout, npm.stderr]) {
    stream.setEncoding('utf8').on('data', text => {
      output = (output + text).slice(-20_000);
    });
  }
  const outcome = await new Promise(resolve => {
    npm.once('error', error => resolve(error.code));
    npm.once('close', (code, signal) => resolve(signal ?? code));
  });
  if (outcome === 0) return;
  const said = output.split('\n').filter(line => /^npm (error|ERR!) /.test(line) && !line.includes('A complete log'));
  throw new Error(
    [
      `Expected npm ci to install the dependencies, got ${typeof outcome === 'number' ? `exit ${outcome}` : outcome}`,
      ...said.slice(0, 8),
    ].join('\n'),
  );
}

/** Returns the npm that runs this process, else the one beside this Node, else the first in PATH. */
function npmCommand() {
  const running = process.env.npm_execpath;
  if (running !== undefined && basename(running) === 'npm-cli.js' && existsSync(running))
    return [process.execPath, running];
  const beside = join(dirname(process.execPath), 'npm');
  return [existsSync(beside) ? beside : 'npm'];
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  install({ dev: true }).catch(error => {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  });
}
