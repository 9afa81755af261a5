/** A project of one small package from a file, so that the real `npm ci` needs no network. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import {
  chmod,
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  realpath,
  rm,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { isInstalled } from '../../../cli/setup/install.mjs';
import { asOtherUser } from '../../support/other-user.ts';
import { leftOf, processTree } from '../process/process-table.ts';

const run = promisify(execFile);
const ROOT = resolve(import.meta.dirname, '../../..');
const CACHE = 'node_modules/.cache/retinopathy';
const INSTALL = `import(${JSON.stringify(`${ROOT}/cli/setup/install.mjs`)})
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

  test('what is installed comes back where what is wanted cannot be fetched, or npm is killed', async () => {
    expect(await startInstall(root).ended).toMatchObject({ code: 0 });
    const lock = await readFile(join(root, 'package-lock.json'), 'utf8');
    const wanted = JSON.parse(lock);
    Object.assign(wanted.packages['node_modules/dep'], { integrity: 'sha512-AAAA' });
    const want = (text: string) => writeFile(join(root, 'package-lock.json'), text);
    await want(JSON.stringify(wanted));
    expect(await startInstall(root).ended).toMatchObject({ code: 1 });
    await want(lock);
    expect(isInstalled(root)).toBe(true);
    expect(existsSync(join(root, 'node_modules/dep/wait.cjs'))).toBe(true);

    await rm(join(root, 'node_modules/.package-lock.json'));
    await rm(join(root, 'started'));
    await writeFile(join(root, 'slow'), '');
    const { child, ended } = startInstall(root);
    await expect.poll(() => existsSync(join(root, 'started')), { timeout: 20_000 }).toBe(true);
    child.kill('SIGKILL');
    await ended;
    expect(existsSync(join(root, '.node_modules.old/dep/wait.cjs'))).toBe(true);
    await rm(join(root, 'slow'));
    expect(await startInstall(root).ended).toMatchObject({ code: 0 });
    expect(existsSync(join(root, '.node_modules.old'))).toBe(false);
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
    await mkdir(join(root, 'node_modules'));
    for (const name of (await readdir(join(ROOT, 'node_modules'))).filter(name => name !== '.cache'))
      await symlink(join(ROOT, 'node_modules', name), join(root, 'node_modules', name));
    for (const path of ['cli/start.mjs', 'cli/setup', 'lib/process']) {
      await cp(join(ROOT, path), join(root, path), { recursive: true });
    }
    await writeFile(join(root, 'cli/main.ts'), main);
    await writeFile(join(root, 'cli/figures.json'), '{ "answer": 42 }');
    return root;
  }

  /** @returns the exit status and what was printed */
  async function start(cwd: string, args: string[], env: NodeJS.ProcessEnv = {}) {
    const options = { cwd, env: { ...process.env, ...env } };
    return run(process.execPath, ['cli/start.mjs', ...args], options).then(
      ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
      ({ code, stdout, stderr }: { code: number; stdout: string; stderr: string }) => ({ code, stdout, stderr }),
    );
  }
  const builds = async (root: string) => (await readdir(join(root, CACHE))).filter(name => name.startsWith('build-'));

  test('runs TypeScript and JSON in its own process, with the arguments', async () => {
    const root = await project(`
      import figures from './figures.json' with { type: 'json' };
      const answer: number = figures.answer;
      console.log(JSON.stringify([answer, process.ppid, process.argv.slice(2), import.meta.dirname]));
      process.exitCode = 3;`);
    const { code, stdout } = await start(root, ['doctor', '--x']);
    expect([code, JSON.parse(stdout)]).toEqual([3, [42, process.pid, ['doctor', '--x'], join(root, 'cli')]]);
  });

  test('compiles once, and again when a source has changed or what was compiled is damaged', async () => {
    const root = await project('console.log("one")');
    const said = async () => (await start(root, [])).stdout.trim();
    expect(await Promise.all([said(), said()])).toEqual(['one', 'one']);
    const first = await builds(root);
    expect(await said()).toBe('one');
    expect(await builds(root)).toEqual(first);

    await writeFile(join(root, 'cli/main.ts'), 'console.log("two")');
    expect(await said()).toBe('two');
    const { folder } = JSON.parse(await readFile(join(root, CACHE, 'latest.json'), 'utf8'));
    await writeFile(join(folder, 'main.js'), '');
    expect(await said()).toBe('two');

    await writeFile(join(root, 'cli/main.ts'), 'console.log(');
    expect(await start(root, [])).toEqual({
      code: 1,
      stdout: '',
      stderr: 'Expected to compile the command, got cli/main.ts:1: Unexpected end of file\n',
    });
    const kept = await builds(root);
    for (const name of kept) await utimes(join(root, CACHE, name), 0, 0);
    await writeFile(join(root, 'cli/main.ts'), 'console.log("three")');
    expect(await said()).toBe('three');
    const [third, ...others] = await builds(root);
    expect([kept.includes(third!), others]).toEqual([false, []]);

    // A start uses the old build, so that it stays when the next one is made.
    await utimes(join(root, CACHE, third!), 0, 0);
    expect(await said()).toBe('three');
    await writeFile(join(root, 'cli/main.ts'), 'console.log("four")');
    expect(await said()).toBe('four');
    expect(await builds(root)).toContain(third);
  });

  test('runs for a user who cannot write what is compiled', async () => {
    const root = await project('console.log("not compiled")');
    await chmod(root, 0o755);
    expect(await asOtherUser(() => start(root, []))).toEqual({ code: 0, stdout: 'not compiled\n', stderr: '' });
    expect(existsSync(join(root, 'node_modules/.cache'))).toBe(false);
  });

  test('keeps loopback away from a proxy', async () => {
    const server = createServer();
    await new Promise<void>(done => server.listen(0, '127.0.0.1', done));
    const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    await new Promise(done => server.close(done));
    const env = {
      https_proxy: 'http://proxy.invalid:1',
      no_proxy: 'a.example',
      NO_PROXY: '',
      TEMPORAL_ADDRESS: address,
    };
    const { code, stderr } = await start(ROOT, ['worker', 'workflow'], env);
    expect([code, stderr]).toEqual([1, expect.stringContaining(`Temporal service at ${address}`)]);
    expect(stderr).not.toContain('proxy');
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
