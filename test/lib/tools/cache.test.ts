import { spawn } from 'node:child_process';
import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { lockFile } from '../../../lib/process/file-lock.mjs';
import { processId } from '../../../lib/process/process-id.mjs';
import { buildOnce, cacheFolder } from '../../../lib/tools/cache.ts';

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
  const build = { cache, name: 'tool', tool: 'the tool', fault: async () => null, report: () => {} };
  await expect(buildOnce({ ...build, make })).rejects.toThrow('no space');
  expect(await readdir(cache)).toEqual([]);
  expect(await buildOnce({ ...build, make: async () => {} })).toBe(join(cache, 'tool'));
});

describe('a tool that does not run', () => {
  const said: string[] = [];
  /** Runs when its program says so; makes one that says `words`. */
  const build = (words: string, fault?: (folder: string) => Promise<string | null>) => ({
    cache,
    name: 'tool',
    tool: 'the tool',
    fault:
      fault ??
      (async (folder: string) =>
        (await readFile(join(folder, 'bin/program'), 'utf8').catch(() => '')) === 'runs' ? null : 'exit 1'),
    async make(folder: string) {
      await mkdir(join(folder, 'bin'));
      await writeFile(join(folder, 'bin/program'), words);
      await symlink('program', join(folder, 'bin/link'));
    },
    report: (line: string) => said.push(line),
  });
  const broken = async () => 'exit 127: symbol lookup error';
  beforeEach(() => {
    said.length = 0;
  });

  test('is left alone and reported where its files are those that were made', async () => {
    await buildOnce(build('runs'));
    await expect(buildOnce(build('other', broken))).rejects.toThrow(
      `the tool in ${cache}/tool is intact but does not run here: exit 127: symbol lookup error`,
    );
    expect(await readFile(join(cache, 'tool/bin/program'), 'utf8')).toBe('runs');
    expect(await buildOnce(build('other'))).toBe(join(cache, 'tool'));
    expect(said).toEqual([]);
    expect(await readdir(cache)).toEqual(['tool']);
  });

  test('is replaced where a file is damaged, once a new one runs', async () => {
    await buildOnce(build('runs'));
    await appendFile(join(cache, 'tool/bin/program'), '!');
    await buildOnce(build('runs'));
    expect(await readFile(join(cache, 'tool/bin/program'), 'utf8')).toBe('runs');
    expect(said).toEqual([
      `the tool in ${cache}/tool does not run (exit 1), and its file bin/link is damaged; it will be replaced once a new one runs`,
    ]);
    expect(await readdir(cache)).toEqual(['tool']);
  });

  test.each([
    ['cannot be made', { make: () => Promise.reject(new Error('no network')) }, 'no network'],
    ['does not run either', { fault: broken }, 'exit 127: symbol lookup error'],
  ])('stays where a new one %s', async (_, changed, reason) => {
    await buildOnce(build('runs'));
    await rm(join(cache, 'tool/bin/link'));
    await expect(buildOnce({ ...build('runs', broken), ...changed })).rejects.toThrow(reason);
    expect(await readdir(join(cache, 'tool/bin'))).toEqual(['program']);
    expect(await readdir(cache)).toEqual(['tool']);
  });

  test('is replaced where it has no list of checksums', async () => {
    await mkdir(join(cache, 'tool'));
    await buildOnce(build('runs'));
    expect(await readdir(join(cache, 'tool'))).toEqual(['SHA256SUMS', 'bin']);
    expect(said).toEqual([expect.stringContaining('it has no list of checksums')]);
  });
});

test('what a build that still runs elsewhere is making stays; what is a day old goes', async () => {
  const [elsewhere, here, old] = [
    'tool.part-elsewhere~1~1~aaaaaaaaaaaa',
    `tool.part-${processId(process.ppid)}~aaaaaaaaaaaa`,
    'tool.part-elsewhere~2~1~aaaaaaaaaaaa',
  ];
  for (const name of [elsewhere, here, old]) await mkdir(join(cache, name));
  const yesterday = new Date(Date.now() - 25 * 3_600_000);
  await utimes(join(cache, old), yesterday, yesterday);
  await buildOnce({ cache, name: 'tool', tool: 'it', fault: async () => null, make: async () => {}, report: () => {} });
  expect((await readdir(cache)).sort()).toEqual(['tool', elsewhere, here].sort());
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
  const [host] = processId().split('~');
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

test('a file of the user that begins like a lock is none', async () => {
  const own = join(cache, 'lock.of~my~own');
  await writeFile(own, 'kept');
  await utimes(own, 0, 0);
  (await lockFile(join(cache, 'lock'))).release();
  expect(await readFile(own, 'utf8')).toBe('kept');
});

test('a shared lock lasts until the other process has ended', async () => {
  const child = spawn('sleep', ['1007']);
  const holder = spawn(process.execPath, [
    '-e',
    `import(${JSON.stringify(resolve(import.meta.dirname, '../../../lib/process/file-lock.mjs'))}).then(async ({ lockFile }) => {
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
