/** A lock between processes that outlives none of them. Plain JavaScript: the installer takes it before anything is installed. */

import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';

/** A holder on another machine, whose process cannot be asked, counts as dead after this time without a touch. */
const STALE_MS = 60_000;
const TOUCH_MS = 10_000;

/**
 * Takes the lock `path`, waiting as long as another living process holds it.
 *
 * Every contender writes a file of its own, `<path>.<host>~<pid>~<start>~<random>`, and then looks for others: who sees a
 * living one takes the own file back and waits. So two can never both hold it, and a dead holder's file, which no
 * process will ever write again, can be removed by anyone at any time.
 *
 * @param {string} path absolute; its folder is made
 * @param {{ onWait?: (pid: number, seconds: number) => void }} [options] called at once when waiting begins, then every 5 s
 * @returns {Promise<{ share(pid: number): void, release(): void }>} `share`: the lock lasts until that process has ended, too
 */
export async function lockFile(path, options = {}) {
  mkdirSync(dirname(path), { recursive: true });
  const own = `${path}.${holderName(process.pid)}`;
  const started = Date.now();
  let told = 0;
  for (;;) {
    let holder = livingHolder(path, own);
    if (holder === undefined) {
      writeFileSync(own, '');
      holder = livingHolder(path, own);
      if (holder === undefined) break;
      rmSync(own, { force: true });
    }
    if (told === 0 || Date.now() - told >= 5_000) {
      told = Date.now();
      options.onWait?.(holder, Math.round((told - started) / 1000));
    }
    // Two that saw each other at the same instant must not meet again.
    await new Promise(resolve => setTimeout(resolve, 50 + Math.random() * 150));
  }
  const files = [own];
  const touch = setInterval(() => {
    for (const file of files) {
      try {
        utimesSync(file, new Date(), new Date());
      } catch {}
    }
  }, TOUCH_MS);
  touch.unref();
  return {
    share(pid) {
      const shared = `${path}.${holderName(pid)}`;
      files.push(shared);
      writeFileSync(shared, '');
    },
    release() {
      clearInterval(touch);
      for (const file of files) rmSync(file, { force: true });
    },
  };
}

/** The pid of another living holder or contender; removes what dead ones left. */
function livingHolder(path, own) {
  const prefix = `${basename(path)}.`;
  for (const name of readdirSync(dirname(path))) {
    const file = join(dirname(path), name);
    if (!name.startsWith(prefix) || file === own) continue;
    const [host, pid, start] = name.slice(prefix.length).split('~');
    if (start === undefined) continue;
    if (isAlive(file, host, Number(pid), start)) return Number(pid);
    rmSync(file, { force: true });
  }
  return undefined;
}

function isAlive(file, host, pid, start) {
  try {
    if (host !== hostKey()) return Date.now() - statSync(file).mtimeMs < STALE_MS;
    process.kill(pid, 0);
  } catch (error) {
    if (error.code === 'ENOENT' || error.code === 'ESRCH') return false;
  }
  return startTime(pid) === start;
}

function holderName(pid) {
  return [hostKey(), pid, startTime(pid), randomBytes(4).toString('hex')].join('~');
}

/** Two containers of one machine number their processes apart, and have names of their own. */
function hostKey() {
  return hostname().replaceAll(/[^\w.-]/g, '_');
}

/** When a process started, in a form that tells it from a later one with the same pid; `0` where the system has no /proc. */
function startTime(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The command's name, in brackets, may hold spaces: count the fields after it. Field 22 is the start time, field 3 the state.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? 'dead' : fields[19];
  } catch {
    return '0';
  }
}
