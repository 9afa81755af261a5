import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { buildOnce, cacheFolder } from '../../bootstrap/cache.ts';
import { lockFile } from '../../system/file-lock.mjs';

const BUILDER = ['--import', import.meta.resolve('tsx'), resolve(import.meta.dirname, 'builder.ts')];

let cache: string;
beforeEach(async () => {
  cache = await mkdtemp(join(tmpdir(), 'cache-'));
  onTestFinished(() => rm(cache, { recursive: true, force: true }));
});

test('the folder is where the XDG specification says', () => {
  expect(cacheFolder({ HOME: '/home/a' })).toBe('/home/a/.cache/retinopathy');
  expect(cacheFolder({ HOME: '/home/a', XDG_CACHE_HOME: '/var/x' })).toBe('/var/x/retinopathy');
  expect(cacheFolder({ HOME: '/home/a', XDG_CACHE_HOME: 'x' })).toBe('/home/a/.cache/retinopathy');
});

/** Another process that makes the tool `tool` in the cache, once there is the file `go`, and adds a line to the file `made`. */
function builder() {
  const child = spawn(process.execPath, [...BUILDER, cache], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', data => (output += data));
  return { child, output: () => output, ended: new Promise<number | null>(done => child.once('close', done)) };
}

const go = () => writeFile(join(cache, 'go'), '');

test('of many processes at once one makes it, the others wait and use it', async () => {
  const all = Array.from({ length: 5 }, () => builder());
  const waiting = () => all.filter(one => one.output().includes('waiting for process'));
  await expect.poll(waiting, { timeout: 30_000 }).not.toEqual([]);
  await go();
  expect(await Promise.all(all.map(({ ended }) => ended))).toEqual([0, 0, 0, 0, 0]);
  expect(await readFile(join(cache, 'made'), 'utf8')).toBe('made\n');
  expect((await readdir(cache)).sort()).toEqual(['go', 'made', 'tool']);
});

test('what a killed process was making is swept away and made by the next', async () => {
  const killed = builder();
  await expect.poll(() => readdir(cache), { timeout: 30_000 }).toContainEqual(expect.stringMatching(/^tool\.part-/));
  killed.child.kill('SIGKILL');
  await killed.ended;
  await go();
  expect(await builder().ended).toBe(0);
  expect((await readdir(cache)).sort()).toEqual(['go', 'made', 'tool']);
});

test('a make that fails leaves nothing, and the next one is free to try', async () => {
  const make = async (folder: string) => {
    await writeFile(join(folder, 'half'), '');
    throw new Error('no space');
  };
  const build = { cache, name: 'tool', fault: async () => null, report: () => {} };
  await expect(buildOnce({ ...build, make })).rejects.toThrow('no space');
  expect(await readdir(cache)).toEqual([]);
  expect(await buildOnce({ ...build, make: async () => {} })).toBe(join(cache, 'tool'));
});

test('what is there but does not work is made anew, and the reason said', async () => {
  await mkdir(join(cache, 'tool'));
  const said: string[] = [];
  const fault = async (folder: string) => ((await readdir(folder)).includes('program') ? null : 'it has no program');
  const make = (folder: string) => writeFile(join(folder, 'program'), '');
  await buildOnce({ cache, name: 'tool', fault, make, report: line => said.push(line) });
  expect(await readdir(join(cache, 'tool'))).toEqual(['program']);
  expect(said).toEqual([`${cache}/tool is made anew: it has no program`]);
});

test('a lock is held by one at a time', async () => {
  let inside = 0;
  let most = 0;
  await Promise.all(
    Array.from({ length: 12 }, async () => {
      const lock = await lockFile(join(cache, 'lock'));
      inside += 1;
      most = Math.max(most, inside);
      await sleep(5);
      inside -= 1;
      lock.release();
    }),
  );
  expect(most).toBe(1);
  expect(await readdir(cache)).toEqual([]);
});

test('a lock outlives neither its process nor one that has its number by chance', async () => {
  const child = spawn('true');
  await new Promise(done => child.once('close', done));
  const host = hostname().replaceAll(/[^\w.-]/g, '_');
  await writeFile(join(cache, `lock.${host}~${child.pid}~1~aa`), '');
  await writeFile(join(cache, `lock.${host}~${process.pid}~1~aa`), '');
  const lock = await lockFile(join(cache, 'lock'));
  expect(await readdir(cache)).toHaveLength(1);
  lock.release();
});

test('a lock of another machine counts as long as it is touched', async () => {
  await writeFile(join(cache, 'lock.elsewhere~1~1~aa'), '');
  let waitedFor = 0;
  const lock = lockFile(join(cache, 'lock'), { onWait: pid => (waitedFor = pid) });
  await expect.poll(() => waitedFor).toBe(1);
  await rm(join(cache, 'lock.elsewhere~1~1~aa'));
  (await lock).release();
  expect(await readdir(cache)).toEqual([]);
});

test('a shared lock lasts until the other process has ended', async () => {
  const child = spawn('sleep', ['1007']);
  const holder = spawn(process.execPath, [
    '-e',
    `import(${JSON.stringify(resolve(import.meta.dirname, '../../system/file-lock.mjs'))}).then(async ({ lockFile }) => {
      (await lockFile(${JSON.stringify(join(cache, 'lock'))})).share(${child.pid});
      process.exit();
    })`,
  ]);
  await new Promise(done => holder.once('close', done));
  let taken = false;
  const waiting = new Promise<void>(done => {
    void lockFile(join(cache, 'lock'), { onWait: () => done() }).then(lock => {
      taken = true;
      lock.release();
    });
  });
  await waiting;
  expect(taken).toBe(false);
  child.kill('SIGKILL');
  await expect.poll(() => taken).toBe(true);
});
