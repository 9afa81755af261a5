/** A project of one small package from a file, so that the real `npm ci` needs no network. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { isInstalled } from '../../cli/install.mjs';
import { leftOf, processTree } from '../system/process-table.ts';

const run = promisify(execFile);
const ROOT = resolve(import.meta.dirname, '../..');
const INSTALL = `import(${JSON.stringify(`${ROOT}/cli/install.mjs`)})
  .then(({ install }) => install({ root: process.cwd(), dev: true }))
  .catch(error => { console.error(error.message); process.exitCode = 1; })`;

interface Ended {
  code: number | null;
  output: string;
}

function startInstall(
  root: string,
  onOutput: (text: string) => void = () => {},
): { child: ChildProcess; ended: Promise<Ended> } {
  const child = spawn(process.execPath, ['-e', INSTALL], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream!.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      onOutput(text);
    });
  }
  return { child, ended: new Promise(done => child.once('close', code => done({ code, output }))) };
}

describe('install', () => {
  let root: string;
  beforeEach(async () => {
    root = await temporaryFolder();
    const dep = join(root, 'dep');
    await mkdir(dep);
    // Its own installation takes as long as there is a file `slow` in the project.
    const wait = `const { existsSync, writeFileSync } = require('fs'); const root = process.env.INIT_CWD;
      writeFileSync(root + '/started', ''); (function look() { if (existsSync(root + '/slow')) setTimeout(look, 20); })();`;
    await writeFile(join(dep, 'wait.cjs'), wait);
    await writeFile(
      join(dep, 'package.json'),
      JSON.stringify({ name: 'dep', version: '1.0.0', scripts: { postinstall: 'node wait.cjs' } }),
    );
    await run('npm', ['pack', './dep', '--silent'], { cwd: root });
    await writeFile(
      join(root, 'package.json'),
      JSON.stringify({ name: 'project', version: '1.0.0', dependencies: { dep: 'file:dep-1.0.0.tgz' } }),
    );
    await run('npm', ['install', '--package-lock-only', '--silent'], { cwd: root });
  });

  test('installs what is missing, once', async () => {
    const first = await startInstall(root).ended;
    expect(first.output).toMatch(/^installing the dependencies.*\n(.*\n)*dependencies installed in \d+ s\n$/);
    expect(existsSync(join(root, 'node_modules/dep/wait.cjs'))).toBe(true);
    expect(await startInstall(root).ended).toEqual({ code: 0, output: '' });
  });

  test('of two at once one installs, the other waits and does nothing', async () => {
    await writeFile(join(root, 'slow'), '');
    let heard = '';
    const both = [1, 2].map(() => startInstall(root, text => (heard += text)));
    await expect.poll(() => heard, { timeout: 20_000 }).toMatch(/waiting for process \d+, which is installing/);
    await rm(join(root, 'slow'));
    expect((await Promise.all(both.map(({ ended }) => ended))).map(({ code }) => code)).toEqual([0, 0]);
    expect(heard.match(/^installing/gm)).toHaveLength(1);
    expect(heard.match(/^dependencies installed/gm)).toHaveLength(1);
  });

  test('an install that was killed is done again, and its npm is not left', async () => {
    await writeFile(join(root, 'slow'), '');
    const { child, ended } = startInstall(root);
    await expect.poll(() => existsSync(join(root, 'started')), { timeout: 20_000 }).toBe(true);
    const npm = (await processTree(child.pid!)).filter(({ command }) => /\bnpm( |-cli\.js )ci\b/.test(command));
    expect(npm).toHaveLength(1);
    child.kill('SIGKILL');
    await ended;
    await rm(join(root, 'slow'));
    expect(await leftOf(npm, 5_000)).toEqual([]);
    expect(isInstalled(root)).toBe(false);
    expect(await startInstall(root).ended).toMatchObject({ code: 0 });
    expect(isInstalled(root)).toBe(true);
  });

  test('a failure is one line, then what npm said; never a stack trace', async () => {
    const changed = { name: 'project', version: '1.0.0', dependencies: { other: 'file:dep' } };
    await writeFile(join(root, 'package.json'), JSON.stringify(changed));
    const { code, output } = await startInstall(root).ended;
    expect(code).toBe(1);
    expect(output).toMatch(/^Expected npm ci to install the dependencies, got exit \d+\nnpm error code EUSAGE\n/m);
    expect(output).not.toMatch(/^\s+at /m);
  });
});

describe('what counts as installed', () => {
  const foreign = process.platform === 'linux' ? 'darwin' : 'linux';
  const a = { version: '1.0.0', integrity: 'sha512-a' };

  async function installed(wanted: object, present: object | undefined, dev: boolean): Promise<boolean> {
    const root = await temporaryFolder();
    await writeFile(join(root, 'package-lock.json'), JSON.stringify({ packages: { '': {}, ...wanted } }));
    await mkdir(join(root, 'node_modules'));
    if (present) await writeFile(join(root, 'node_modules/.package-lock.json'), JSON.stringify({ packages: present }));
    return isInstalled(root, dev);
  }

  test.each<[string, object, object | undefined, boolean, boolean]>([
    ['all of it', { a }, { a }, true, true],
    ['no record of an install', { a }, undefined, true, false],
    ['a package is missing', { a, b: a }, { a }, true, false],
    ['another version', { a }, { a: { ...a, version: '1.0.1' } }, true, false],
    ['other content', { a }, { a: { ...a, integrity: 'sha512-b' } }, true, false],
    ['what only tests need is missing, and no test runs', { a, b: { ...a, dev: true } }, { a }, false, true],
    ['what tests need is missing', { a, b: { ...a, dev: true } }, { a }, true, false],
    ["another platform's binary is missing", { a, b: { ...a, optional: true, os: [foreign] } }, { a }, true, true],
    [
      "this platform's binary is missing",
      { a, b: { ...a, optional: true, os: [process.platform] } },
      { a },
      true,
      false,
    ],
  ])('%s', async (_name, wanted, present, dev, expected) => {
    expect(await installed(wanted, present, dev)).toBe(expected);
  });

  test('this very project is', () => {
    expect(isInstalled(ROOT, true)).toBe(true);
  });
});

describe('start', () => {
  async function project(main: string): Promise<string> {
    const root = await temporaryFolder();
    await cp(join(ROOT, 'package.json'), join(root, 'package.json'));
    await cp(join(ROOT, 'package-lock.json'), join(root, 'package-lock.json'));
    await symlink(join(ROOT, 'node_modules'), join(root, 'node_modules'));
    for (const file of ['start.mjs', 'install.mjs', 'node-version.mjs'])
      await cp(join(ROOT, 'cli', file), join(root, 'cli', file));
    for (const file of ['file-lock.mjs', 'no-proxy.ts'])
      await cp(join(ROOT, 'system', file), join(root, 'system', file));
    await writeFile(join(root, 'cli/main.ts'), main);
    await writeFile(join(root, 'cli/figures.json'), '{ "answer": 42 }');
    return root;
  }

  test('runs TypeScript and JSON in its own process, with the arguments and without loopback going to a proxy', async () => {
    const root = await project(`
      import figures from './figures.json' with { type: 'json' };
      const answer: number = figures.answer;
      console.log(JSON.stringify([answer, process.pid, process.argv.slice(2), process.env.no_proxy]));
      process.exitCode = 3;`);
    const env = { ...process.env, https_proxy: 'http://proxy.invalid:1', no_proxy: 'a.example', NO_PROXY: '' };
    const child = spawn(process.execPath, ['cli/start.mjs', 'doctor', '--x'], {
      cwd: root,
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout.on('data', data => (output += data));
    expect(await new Promise(done => child.once('close', done))).toBe(3);
    expect(JSON.parse(output)).toEqual([42, child.pid, ['doctor', '--x'], 'a.example,localhost,127.0.0.1,::1,[::1]']);
  });

  test('an older Node gets one line', async () => {
    const root = await project('');
    await writeFile(join(root, 'old.mjs'), `Object.defineProperty(process.versions, 'node', { value: '18.20.4' });`);
    const old = run(process.execPath, ['--import', './old.mjs', 'cli/start.mjs'], { cwd: root });
    await expect(old).rejects.toMatchObject({
      code: 1,
      stderr: 'Expected Node 20.19 or newer, got 18.20.4: install one from https://nodejs.org\n',
    });
  });
});

test('the lock file names every platform, or npm ci refuses it as out of step', async () => {
  const { packages } = JSON.parse(await readFile(join(ROOT, 'package-lock.json'), 'utf8'));
  const missing = Object.entries<{ optionalDependencies?: object }>(packages).flatMap(([path, entry]) =>
    Object.keys(entry.optionalDependencies ?? {}).filter(
      name => !packages[`${path}/node_modules/${name}`] && !packages[`node_modules/${name}`],
    ),
  );
  expect(missing).toEqual([]);
});

test('the engines of package.json are what the check says', async () => {
  expect(JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')).engines.node).toBe('>=20.19');
});

async function temporaryFolder(): Promise<string> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'install-')));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}
