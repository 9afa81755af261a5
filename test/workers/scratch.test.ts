/** The folders of workers on one machine: nothing that is not theirs is touched, whoever else writes beside them. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import {
  chmod,
  chown,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ownerName } from '../../lib/process/process-id.mjs';

const PROGRAM = ['--import', import.meta.resolve('tsx'), resolve(import.meta.dirname, 'scratch-user.ts')];
const NOBODY = 65_534;
const AS_NOBODY = ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups'];
const canBeNobody =
  process.getuid?.() === 0 && spawnSync(AS_NOBODY[0]!, [...AS_NOBODY.slice(1), 'test', '-r', PROGRAM[2]!]).status === 0;

interface Opened {
  scratch: string;
  cache: string;
  error: string;
}

let home: string;
let user: number;
let children: ChildProcess[];

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'scratch-home-'));
  await mkdir(join(home, 'tmp'));
  await chmod(join(home, 'tmp'), 0o1777);
  await chmod(home, 0o755);
  user = process.getuid!();
  children = [];
});
afterEach(async () => {
  await Promise.all(children.map(child => stop(child, 'SIGKILL')));
  await rm(home, { recursive: true, force: true });
});

async function open(env: NodeJS.ProcessEnv, as: readonly string[] = []): Promise<Opened & { child: ChildProcess }> {
  const [file = '', ...args] = [...as, process.execPath, ...PROGRAM];
  const child = spawn(file, args, {
    env: { PATH: process.env.PATH, HOME: home, TMPDIR: join(home, 'tmp'), ...env },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  children.push(child);
  let said = '';
  await new Promise<void>(done => {
    child.stdout!.on('data', chunk => {
      said += chunk;
      if (said.includes('\n')) done();
    });
    child.once('close', () => done());
  });
  return { ...(JSON.parse(said.split('\n')[0]!) as Opened), child };
}

async function stop(child: ChildProcess, signal?: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise(done => child.once('close', done));
  if (signal) child.kill(signal);
  else child.stdin!.end();
  await ended;
}

/** Names below the folder, with a slash behind those of folders. */
async function below(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const names = entries.map(entry => join(entry.parentPath, entry.name).slice(folder.length + 1));
  return names.filter(name => !/^tmp($|\/)/.test(name)).sort();
}

/** Names in the temporary folder, without what runs TypeScript. */
async function temporary(): Promise<string[]> {
  return (await readdir(join(home, 'tmp'))).filter(name => !name.startsWith('tsx-')).sort();
}

async function fill(folder: string, files: readonly string[]): Promise<void> {
  for (const file of files) {
    await mkdir(dirname(join(folder, file)), { recursive: true });
    await writeFile(join(folder, file), 'mine');
  }
}

describe('RETINOPATHY_SCRATCH=$HOME', () => {
  test('with folders of the same names of the user leaves them as they are, and works', async () => {
    const mine = [
      'scratch/thesis/chapter-1.tex',
      'scratch/experiment-999999/weights',
      'scratch/notes',
      'cache/00000000-4-0123456789abcdef',
      `retinopathy/cpu-${ownerName()}/file`,
    ];
    await fill(home, mine);
    const { scratch, cache, child } = await open({ RETINOPATHY_SCRATCH: home });
    await writeFile(join(scratch, 'temporary'), '');
    await stop(child);
    const root = join(home, `retinopathy-${user}`);
    expect([dirname(scratch), cache]).toEqual([root, join(root, 'cache')]);
    expect((await lstat(root)).mode & 0o777).toBe(0o700);
    const left = [`retinopathy-${user}`, `retinopathy-${user}/CACHEDIR.TAG`, `retinopathy-${user}/cache`];
    const folders = mine.map(dirname).flatMap(folder => [folder, dirname(folder)]);
    expect(await below(home)).toEqual([...new Set([...mine, ...folders, ...left])].filter(name => name !== '.').sort());
    for (const file of mine) expect(await readFile(join(home, file), 'utf8')).toBe('mine');
  });

  test('with a folder of the user in the place of the root refuses it, and touches nothing', async () => {
    const mine = [`retinopathy-${user}/cpu-1/file`, `retinopathy-${user}/cache/00000000-4-0123456789abcdef`];
    await fill(home, mine);
    const before = await below(home);
    const { error } = await open({ RETINOPATHY_SCRATCH: home });
    expect(error).toBe(
      `Expected ${join(home, `retinopathy-${user}`)} to be a folder that a worker of this user has made, got something else: remove it, or set RETINOPATHY_SCRATCH to another place`,
    );
    expect(await below(home)).toEqual(before);
  });
});

describe('what a killed worker leaves', () => {
  test('is removed by the next one, and nothing beside it', async () => {
    const env = { RETINOPATHY_SCRATCH: home };
    const [killed, alive] = [await open(env), await open(env)];
    await writeFile(join(killed.scratch, 'temporary'), '');
    await stop(killed.child, 'SIGKILL');
    const root = dirname(killed.scratch);
    const elsewhere = ownerName().replace(/^[^~]+/, 'container');
    const another = ownerName().replace(/^[^~]+/, 'another');
    const gone = basename(killed.scratch).slice('cpu-'.length);
    await fill(root, ['cpu-999999/file', `cpu-${gone.replace(/.{6}$/, 'abcdef')}/unmarked`]);
    await fill(root, [`cpu-${elsewhere}/.worker`, `cpu-${another}/.worker`, 'quoted/.worker', 'outside/kept']);
    await writeFile(join(root, `cpu-${elsewhere}/.worker`), `${elsewhere}\n`);
    await writeFile(join(root, `cpu-${another}/.worker`), `${another}\n`);
    await utimes(join(root, `cpu-${another}/.worker`), new Date(), new Date(Date.now() - 25 * 3_600_000));
    await writeFile(join(root, 'quoted/.worker'), `This was left by ${gone}\n`);
    // A link to a folder that is marked, and a folder whose mark is a link to that of a dead process.
    await fill(home, ['aside/kept']);
    await writeFile(join(home, 'aside/.worker'), `${gone}\n`);
    await symlink(join(home, 'aside'), join(root, 'linked'));
    await symlink(join(home, 'aside/.worker'), join(root, 'outside/.worker'));

    const next = await open(env);
    expect((await readdir(root)).sort()).toEqual(
      [
        ...['CACHEDIR.TAG', 'cache', 'linked', 'outside', 'quoted', 'cpu-999999'],
        ...[`cpu-${elsewhere}`, `cpu-${gone.replace(/.{6}$/, 'abcdef')}`],
        ...[basename(alive.scratch), basename(next.scratch)],
      ].sort(),
    );
    expect(await readdir(join(home, 'aside'))).toEqual(['.worker', 'kept']);
  });
});

describe('without RETINOPATHY_SCRATCH', () => {
  test('the root is in the cache folder of the user', async () => {
    const { scratch } = await open({});
    expect(dirname(scratch)).toBe(join(home, `.cache/retinopathy/workers-${user}`));
  });

  test.runIf(canBeNobody)(
    'a home that cannot be written gives way to a new folder that nobody else can have',
    async () => {
      for (const nowhere of ['/dev/null', join(home, 'nowhere')]) {
        const first = await open({ HOME: nowhere }, AS_NOBODY);
        const root = dirname(first.scratch);
        expect(root).toMatch(new RegExp(`^${join(home, 'tmp')}/retinopathy-\\w{6}$`));
        expect((await lstat(root)).mode & 0o777).toBe(0o700);
        await fill(first.cache, ['copy']);
        await stop(first.child, 'SIGKILL');
        // Another user leaves it, the same one removes it and its own.
        await mkdir(join(home, 'tmp', 'retinopathy-another'));
        const [other, next] = [await open({ HOME: '/dev/null' }), await open({ HOME: nowhere }, AS_NOBODY)];
        expect(await temporary()).toEqual(
          [
            'retinopathy-another',
            basename(dirname(next.scratch)),
            ...(other.error ? [] : [basename(dirname(other.scratch))]),
          ].sort(),
        );
        await Promise.all([stop(other.child), stop(next.child)]);
        expect(await temporary()).toEqual(['retinopathy-another']);
        await rm(join(home, 'tmp', 'retinopathy-another'), { recursive: true });
      }
    },
  );
});

describe('links', () => {
  test.each([['retinopathy'], [`retinopathy-${process.getuid!()}`]])(
    'a temporary root that is a link to the home of another lets nothing be emptied: %s',
    async name => {
      const victim = join(home, 'victim');
      await fill(victim, ['scratch/worker-999999/file', 'cache/00000000-4-0123456789abcdef', 'cpu-999999/file']);
      await symlink(victim, join(home, 'tmp', name));
      const before = await below(victim);
      const opened = [await open({}), await open({ RETINOPATHY_SCRATCH: join(home, 'tmp') })];
      expect(await below(victim)).toEqual(before);
      const [, named] = opened;
      if (name === 'retinopathy') expect(named!.scratch).toContain(join(home, `tmp/retinopathy-${user}/cpu-`));
      else expect(named!.error).toContain('got something else: remove it');
    },
  );

  test('a link in the place of the cache is refused', async () => {
    const { child } = await open({});
    await stop(child);
    const cache = join(home, `.cache/retinopathy/workers-${user}/cache`);
    await rm(cache, { recursive: true });
    await fill(home, ['mine/00000000-4-0123456789abcdef']);
    await symlink(join(home, 'mine'), cache);
    expect((await open({})).error).toContain(`Expected ${cache} to be a folder that a worker of this user has made`);
  });
});

describe.runIf(canBeNobody)('two users of a machine', () => {
  test('share a place, and each has folders of its own there', async () => {
    await chmod(home, 0o1777);
    const env = { RETINOPATHY_SCRATCH: home, XDG_CACHE_HOME: join(home, 'shared') };
    const [first, second] = [await open(env), await open(env, AS_NOBODY)];
    expect([dirname(first.scratch), dirname(second.scratch)]).toEqual([
      join(home, `retinopathy-${user}`),
      join(home, `retinopathy-${NOBODY}`),
    ]);
    await stop(first.child, 'SIGKILL');
    await open(env, AS_NOBODY);
    expect(await readdir(dirname(first.scratch))).toContain(basename(first.scratch));
  });

  test('also the default one', async () => {
    const shared = join(home, 'shared');
    await mkdir(join(shared, 'retinopathy'), { recursive: true });
    await chmod(join(shared, 'retinopathy'), 0o1777);
    const env = { XDG_CACHE_HOME: shared };
    const [first, second] = [await open(env), await open(env, AS_NOBODY)];
    expect([first.error, second.error]).toEqual([undefined, undefined]);
  });

  test('what another has put in the place of the root is refused in one line', async () => {
    await chmod(home, 0o1777);
    const root = join(home, `retinopathy-${NOBODY}`);
    const { child } = await open({ RETINOPATHY_SCRATCH: home });
    await stop(child);
    // As `user` has made it, tag and all.
    await mkdir(root, { mode: 0o777 });
    await chmod(root, 0o777);
    await writeFile(join(root, 'CACHEDIR.TAG'), await readFile(join(home, `retinopathy-${user}/CACHEDIR.TAG`)));
    const { error } = await open({ RETINOPATHY_SCRATCH: home }, AS_NOBODY);
    expect(error).toBe(
      `Expected ${root} to be a folder that a worker of this user has made, got something else: remove it, or set RETINOPATHY_SCRATCH to another place`,
    );
  });

  test('a place that cannot be written is named', async () => {
    const { error } = await open({ RETINOPATHY_SCRATCH: join(home, 'place') }, AS_NOBODY);
    expect(error).toBe(
      `Expected RETINOPATHY_SCRATCH ${join(home, 'place')} to be a folder that can be written, got EACCES: set RETINOPATHY_SCRATCH to one that can`,
    );
  });

  test('a worker folder of another user inside the root is left alone', async () => {
    const { scratch, child } = await open({ RETINOPATHY_SCRATCH: home });
    await stop(child, 'SIGKILL');
    await chown(scratch, NOBODY, NOBODY);
    await open({ RETINOPATHY_SCRATCH: home });
    expect(await readdir(dirname(scratch))).toContain(basename(scratch));
  });
});
