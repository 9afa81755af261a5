/** A lock between processes that ends with its holder. Plain JavaScript, because the installer takes it before any install. */

import { mkdirSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { ownerName, stateOfOwner } from './process-id.mjs';

/** A holder on another machine, whose process cannot be checked, counts as dead after this time without a touch. */
const STALE_MS = 60_000;
const TOUCH_MS = 10_000;

/**
 * Takes the lock `path`. Waits while another living process holds it.
 *
 * Every contender writes a file of its own, `<path>.<host>~<pid>~<start>~<random>`, and then looks for others. A contender that
 * finds a living one removes its own file and waits. So two can never both hold the lock. No process ever writes the file of a
 * dead holder again, so any process can remove it at any time.
 *
 * @param {string} path absolute; its folder is created
 * @param {{ onWait?: (pid: number, seconds: number) => void }} [options] `onWait`: called at the start of a wait, then every 5 s
 * @returns {Promise<{ share(pid: number): void, release(): void }>} `share`: keeps the lock until that process has ended, too
 */
export async function lockFile(path, options = {}) {
  mkdirSync(dirname(path), { recursive: true });
  const own = `${path}.${ownerName(process.pid)}`;
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
    // The random delay keeps two contenders that met from meeting again.
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
      const shared = `${path}.${ownerName(pid)}`;
      files.push(shared);
      writeFileSync(shared, '');
    },
    release() {
      clearInterval(touch);
      for (const file of files) rmSync(file, { force: true });
    },
  };
}

/** Returns the pid of another living holder or contender; undefined when there is none. Removes the files of dead ones. */
function livingHolder(path, own) {
  const prefix = `${basename(path)}.`;
  for (const name of readdirSync(dirname(path))) {
    const file = join(dirname(path), name);
    if (!name.startsWith(prefix) || file === own) continue;
    const holder = name.slice(prefix.length);
    const state = stateOfOwner(holder);
    // A file of the user may have the same prefix.
    if (state === undefined) continue;
    if (state === 'alive' || (state === 'elsewhere' && isTouched(file))) return Number(holder.split('~')[1]);
    rmSync(file, { force: true });
  }
  return undefined;
}

function isTouched(file) {
  const touched = statSync(file, { throwIfNoEntry: false });
  return touched !== undefined && Date.now() - touched.mtimeMs < STALE_MS;
}
