/** Makes node_modules what package-lock.json says. Plain JavaScript without dependencies: it runs before there are any. */
import './node-version.mjs';
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { lockFile } from '../system/file-lock.mjs';

const ROOT = dirname(import.meta.dirname);
const STILL_THERE_MS = 10_000;

/**
 * Runs `npm ci` unless what is installed is what the lock file wants. Of two at once one installs and the other waits.
 * @param {{ root?: string, dev?: boolean }} [options] `dev`: the packages that only tests need must be there too
 * @throws when npm fails: one line that says what was expected, then npm's own
 */
export async function install({ root = ROOT, dev = false } = {}) {
  if (isInstalled(root, dev)) return;
  const say = line => process.stderr.write(`${line}\n`);
  const lock = await lockFile(join(root, '.install.lock'), {
    onWait: (pid, seconds) => say(`waiting for process ${pid}, which is installing the dependencies (${seconds} s)`),
  });
  try {
    if (isInstalled(root, dev)) return;
    say('installing the dependencies (npm ci): about half a minute');
    const started = Date.now();
    const seconds = () => Math.round((Date.now() - started) / 1000);
    const sign = setInterval(() => say(`still installing the dependencies (${seconds()} s)`), STILL_THERE_MS);
    try {
      await npmCi(root, lock);
    } finally {
      clearInterval(sign);
    }
    say(`dependencies installed in ${seconds()} s`);
  } finally {
    lock.release();
  }
}

/**
 * npm writes down what it installed in node_modules/.package-lock.json, after all else: an install that failed or was
 * killed has none, or an old one, and is done again.
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

/** Optional packages hold one platform's binaries each; this machine needs its own, even if the folder came from another one. */
function mayBeMissing(entry, dev) {
  if (!dev && (entry.dev || entry.devOptional)) return true;
  if (!entry.optional && !entry.devOptional) return false;
  const elsewhere = (list, own) => list !== undefined && !list.includes(own);
  const isOurs =
    entry.os !== undefined && !elsewhere(entry.os, process.platform) && !elsewhere(entry.cpu, process.arch);
  // Which C library this is takes longer to find out than all the rest, and a foreign folder lacks the others as well.
  return !isOurs || entry.libc !== undefined;
}

function readPackages(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8')).packages;
  } catch {
    return undefined;
  }
}

async function npmCi(root, lock) {
  const command = [...npmCommand(), 'ci', '--no-audit', '--no-fund', '--no-progress', '--loglevel=error'];
  // npm must not go on alone, with the lock free, when this process is killed.
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

/** The npm that runs this, or else the one that came with this Node, or else the first in PATH. */
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
