/** The order in which Caffe is looked for, with real executables; the real one where it is needed; stand-ins for apt and Docker. */
import { spawn } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { runChild } from '../../../lib/process/child-process.ts';
import { which } from '../../../lib/process/which.ts';
import { writeManifest } from '../../../lib/tools/cache.ts';
import { findCaffe, lookForCaffe, treeCommand } from '../../../lib/tools/caffe.ts';
import type { Caffe } from '../../../lib/tools/caffe-command.ts';
import { isHaswellOrLater, parseCommand } from '../../../lib/tools/caffe-command.ts';
import { debianMirror } from '../../../lib/tools/caffe-debian.ts';
import { examine } from '../../../lib/tools/doctor.ts';
import { testCaffe } from '../../support/caffe.ts';

let folder: string;
let env: NodeJS.ProcessEnv;
let said: string[];
const report = (line: string) => said.push(line);

beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'caffe-')));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await mkdir(join(folder, 'bin'));
  for (const program of ['sh', 'cat', 'mktemp', 'mkfifo', 'rm'])
    await symlink((await which(program))!, join(folder, 'bin', program));
  env = { PATH: join(folder, 'bin'), XDG_CACHE_HOME: join(folder, 'cache') };
  said = [];
});

async function program(path: string, script: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, `#!/bin/sh\n${script}\n`);
  await chmod(path, 0o755);
}

/** The three tools; each says its version, or with other arguments its place and what it got. */
async function tools(place: string, version = '1.0.0'): Promise<void> {
  for (const tool of ['caffe', 'convert_imageset', 'compute_image_mean']) {
    await program(
      join(place, tool),
      `case $1 in --version) echo "${tool} version ${version}" ;; *) echo "$0" "$@" ;; esac`,
    );
  }
}

const answer = async (caffe: Caffe, cwd?: string) =>
  (
    await runChild(caffe.command('convert_imageset', ['a', 'b c']), {
      env: { ...env, ...caffe.env },
      ...(cwd && { cwd }),
    })
  ).tail;

describe('the order', () => {
  test('CAFFE, CAFFE_ROOT, CAFFE_HOME, PATH', async () => {
    for (const place of ['bin', 'one', 'two/build/tools', 'three/bin'])
      await tools(join(folder, place), place.slice(0, 3));
    const settings = {
      CAFFE_HOME: join(folder, 'three'),
      CAFFE_ROOT: join(folder, 'two'),
      CAFFE: join(folder, 'one/caffe'),
    };
    const places = { CAFFE: 'one', CAFFE_ROOT: 'two/build/tools', CAFFE_HOME: 'three/bin', PATH: 'bin' };
    const all: NodeJS.ProcessEnv = { ...env, ...settings };
    for (const [origin, place] of Object.entries(places)) {
      const caffe = await findCaffe({ env: all });
      expect(caffe.version).toBe(`caffe version ${place.slice(0, 3)} (${origin})`);
      expect(await answer(caffe)).toEqual([`${folder}/${place}/convert_imageset a b c`]);
      delete all[origin];
    }
  });

  test('the cache comes after PATH, and holds a whole system that is run by its own loader', async () => {
    const real = await testCaffe();
    const root = real
      .command('caffe', [])
      .at(-1)!
      .replace(/\/usr\/bin\/caffe$/, '');
    await mkdir(join(folder, 'cache/retinopathy/caffe-debian11'), { recursive: true });
    await symlink(root, join(folder, 'cache/retinopathy/caffe-debian11/root'));
    expect((await findCaffe({ env })).version).toBe('caffe version 1.0.0 (Debian 11)');
    expect((await findCaffe({ env: { ...env, CAFFE_ROOT: root } })).version).toBe('caffe version 1.0.0 (CAFFE_ROOT)');
    await tools(join(folder, 'bin'));
    expect((await findCaffe({ env })).version).toBe('caffe version 1.0.0 (PATH)');
  });
});

test('the libraries of a tree are also those that its own configuration names', async () => {
  const root = join(folder, 'tree');
  await tools(join(root, 'usr/local/bin'));
  await program(join(root, 'lib/x86_64-linux-gnu/ld-2.27.so'), '');
  await mkdir(join(root, 'etc/ld.so.conf.d'), { recursive: true });
  const conf = (name: string, text: string) => writeFile(join(root, 'etc/ld.so.conf.d', name), text);
  await conf('cuda.conf', '# of CUDA\n/usr/local/cuda-10.2/targets/x86_64-linux/lib\n');
  await conf('libc.conf', '/usr/local/lib\n');
  await conf('old.conf.save', '/usr/old\n');
  const [loader, option, path = '', tool] = (await treeCommand(root))!('caffe');
  expect([loader, option, tool]).toEqual([
    join(root, 'lib/x86_64-linux-gnu/ld-2.27.so'),
    '--library-path',
    join(root, 'usr/local/bin/caffe'),
  ]);
  const libraries = path.split(':').map(each => each.slice(root.length));
  expect(libraries.at(-1)).toBe('/usr/local/cuda-10.2/targets/x86_64-linux/lib');
  expect(libraries).not.toContain('/usr/old');
  expect(libraries.filter(each => each === '/usr/local/lib')).toHaveLength(1);
  expect(libraries.indexOf('/usr/lib/x86_64-linux-gnu/openblas')).toBeLessThan(libraries.indexOf('/usr/local/lib'));
});

test('the real one runs on one BLAS thread and leaves no log files', async () => {
  const caffe = await testCaffe();
  expect(caffe.env).toMatchObject({ GLOG_logtostderr: '1', OPENBLAS_NUM_THREADS: '1', OMP_NUM_THREADS: '1' });
  const { tail } = await runChild(caffe.command('caffe', ['train', '--solver=none']), {
    env: { ...process.env, ...caffe.env, TMPDIR: folder },
    cwd: folder,
  });
  expect(tail.join('\n')).toMatch(/^F\d+ .*File not found: none/m);
  expect(await readdir(folder)).toEqual(['bin']);
});

test("the processor's kernels are pinned to those that all machines have, or to those of the setting", async () => {
  await tools(join(folder, 'bin'));
  const common = (await isHaswellOrLater()) ? 'Haswell' : undefined;
  expect((await findCaffe({ env })).env.OPENBLAS_CORETYPE).toBe(common);
  expect((await findCaffe({ env: { ...env, OPENBLAS_CORETYPE: 'SkylakeX' } })).env.OPENBLAS_CORETYPE).toBe('SkylakeX');
});

test('CAFFE may be any command that ends in caffe', () => {
  expect(parseCommand(`docker run "a b" 'c  d' image caffe`)('convert_imageset')).toEqual([
    'docker',
    'run',
    'a b',
    'c  d',
    'image',
    'convert_imageset',
  ]);
  expect(parseCommand('/lib/ld.so --library-path /x /opt/caffe')('compute_image_mean').at(-1)).toBe(
    '/opt/compute_image_mean',
  );
  expect(() => parseCommand('/opt/tensorflow')).toThrow(
    'Expected CAFFE to be a command that ends in the program caffe, got `/opt/tensorflow`',
  );
});

describe('broken ones', () => {
  test('a setting that names one is an error that says why, whatever else there is', async () => {
    await tools(join(folder, 'bin'));
    await program(
      join(folder, 'broken/caffe'),
      'echo "error while loading shared libraries: libhdf5.so.8" >&2; exit 127',
    );
    const find = (settings: NodeJS.ProcessEnv) => findCaffe({ env: { ...env, ...settings } });
    await expect(find({ CAFFE: join(folder, 'broken/caffe') })).rejects.toThrow(
      `Expected Caffe, got none: CAFFE is ${folder}/broken/caffe, but \`${folder}/broken/caffe --version\` answered exit 127: error while loading shared libraries: libhdf5.so.8. Install it so`,
    );
    await expect(find({ CAFFE_ROOT: folder })).resolves.toMatchObject({ version: 'caffe version 1.0.0 (CAFFE_ROOT)' });
    await expect(find({ CAFFE_ROOT: join(folder, 'broken') })).rejects.toThrow(
      'it holds no caffe in build/tools, tools, bin or usr/bin',
    );
    await expect(find({ CAFFE: '/none/caffe' })).rejects.toThrow('Expected /none/caffe to start, got ENOENT');
  });

  test('one that lacks a tool is none', async () => {
    await tools(join(folder, 'bin'));
    await rm(join(folder, 'bin/compute_image_mean'));
    const tried: string[] = [];
    expect(await lookForCaffe({ env, report }, tried)).toBeNull();
    expect(said).toEqual(['passing over the Caffe in PATH: Expected compute_image_mean to start, got ENOENT']);
    expect(tried).toEqual([
      'Expected compute_image_mean to start, got ENOENT',
      `no Caffe in ${folder}/cache/retinopathy/caffe-debian11`,
    ]);
  });
});

describe('apt', () => {
  test('the mirror is the one that apt knows, or the setting; Ubuntu knows none', async () => {
    expect(await debianMirror(env)).toBeNull();
    await program(join(folder, 'bin/dpkg'), 'exit 1');
    await program(join(folder, 'bin/apt-get'), `[ "$1" = indextargets ] && echo http://mirror.example/debian/`);
    expect(await debianMirror(env)).toBe('http://mirror.example/debian/');
    expect(await debianMirror({ ...env, RETINOPATHY_DEBIAN_MIRROR: 'http://own.example/' })).toBe(
      'http://own.example/',
    );
    await program(join(folder, 'bin/apt-get'), 'exit 0');
    expect(await debianMirror(env)).toBeNull();
  });

  test('a mirror that does not answer ends in one message, and leaves nothing', async () => {
    await program(join(folder, 'bin/dpkg'), 'echo amd64');
    await program(join(folder, 'bin/apt-get'), 'exit 1');
    await program(
      join(folder, 'bin/apt-helper'),
      `echo "E: Failed to fetch http://me:secret@mirror.example/a.deb  Could not connect [IP: 192.0.2.1 80]" >&2; exit 100`,
    );
    const search = findCaffe({ env: { ...env, RETINOPATHY_DEBIAN_MIRROR: 'http://me:secret@mirror.example/' } });
    const lack = 'Expected 154 packages of Debian 11, got 0: libacl1_2.2.53-10_amd64.deb: Could not connect';
    await expect(search).rejects.toThrow(
      `Expected Caffe, got none: no caffe in PATH; no Caffe in ${folder}/cache/retinopathy/caffe-debian11; ${lack}; from Debian's archive: ${lack}; no docker in PATH. Install it so that \`caffe\` is in PATH, set CAFFE to its command or CAFFE_ROOT to its folder, or start Docker`,
    );
    await expect(search).rejects.toMatchObject({ name: 'MissingTool' });
    expect(await readdir(join(folder, 'cache/retinopathy'))).toEqual([]);
  });
});

describe('Docker', () => {
  /** Answers as an engine without the image would, and "runs" a tool by saying what it was asked. */
  const DOCKER = (log: string) => `
    echo "$@" >> ${log}
    case $1 in
      version) echo 28 ;;
      image) exit 1 ;;
      build) echo built ;;
      run) case "$*" in
        *--version) for tool; do case $tool in caffe|co*_image*) echo "$tool version 1.0.0" ;; esac; done ;;
        *) if read -r line; then echo "stdin $line"; else echo "stdin closed"; fi ;;
      esac ;;
    esac`;

  test('builds its own image, and runs a tool in it where the tool is started', async () => {
    const log = join(folder, 'log');
    await program(join(folder, 'bin/docker'), DOCKER(log));
    const caffe = await findCaffe({ env: { ...env, RETINOPATHY_SCRATCH: '/scratch' }, report });
    expect(caffe.version).toBe('caffe version 1.0.0 (Debian 11, Docker)');
    expect(said).toEqual(['building the Docker image with Caffe: one to three minutes, this once']);

    const cwd = join(folder, 'a b');
    await mkdir(cwd);
    const stop = new AbortController();
    const running = runChild(caffe.command('convert_imageset', ['x y']), {
      env: { ...env, ...caffe.env },
      cwd,
      signal: stop.signal,
    });
    await expect.poll(() => readFile(log, 'utf8')).toMatch(/convert_imageset x y\n$/);
    // Its standard input is open as long as it runs itself: nothing ends it but a signal.
    stop.abort();
    expect(await running).toMatchObject({ signal: 'SIGTERM', tail: [] });

    const [version, inspect, build, ...runs] = (await readFile(log, 'utf8')).trim().split('\n');
    expect(version).toMatch(/^version /);
    const image = /^image inspect (retinopathy-caffe:[0-9a-f]{12})$/.exec(inspect!)![1];
    const deploy = resolve(import.meta.dirname, '../../../deploy');
    expect(build).toBe(`build --file ${deploy}/caffe.Dockerfile --tag ${image} --label retinopathy=caffe ${deploy}`);
    expect(runs.at(-1)).toBe(
      `run --volume ${cwd}:${cwd} --workdir ${cwd} --rm --interactive --init --network none --label retinopathy=caffe ` +
        `--volume ${tmpdir()}:${tmpdir()} --volume /scratch:/scratch ` +
        '--env GLOG_logtostderr --env OPENBLAS_NUM_THREADS --env OMP_NUM_THREADS --env OPENBLAS_CORETYPE ' +
        `--env HOME=/tmp --user ${process.getuid!()}:${process.getgid!()} ${image} convert_imageset x y`,
    );
  });

  test('comes next where the Caffe of the cache is intact but does not run here; that one stays', async () => {
    const cached = join(folder, 'cache/retinopathy/caffe-debian11');
    const loader = join(cached, 'root/lib/x86_64-linux-gnu/ld-2.31.so');
    await program(loader, 'echo "version GLIBC_2.38 not found" >&2; exit 127');
    await program(join(cached, 'root/usr/bin/caffe'), '');
    await writeManifest(cached);
    await program(join(folder, 'bin/apt-get'), 'echo http://mirror.example/');
    await program(join(folder, 'bin/dpkg'), `echo called >> ${folder}/dpkg`);
    await program(join(folder, 'bin/docker'), DOCKER(join(folder, 'log')));
    expect((await findCaffe({ env, report })).version).toBe('caffe version 1.0.0 (Debian 11, Docker)');
    expect(said[0]).toMatch(
      new RegExp(
        `^Caffe in ${cached} is intact but does not run here: .* answered exit 127: version GLIBC_2.38 not found$`,
      ),
    );
    expect(await readdir(join(folder, 'cache/retinopathy'))).toEqual(['caffe-debian11']);
    expect(await readdir(folder)).not.toContain('dpkg');

    await rm(join(folder, 'bin/docker'));
    const failed = await findCaffe({ env }).catch((error: Error) => error.message);
    expect(String(failed).match(/is intact but does not run here/g)).toHaveLength(1);
    const found = (await examine(env, [])).find(({ name }) => name === 'Caffe');
    expect(found).toMatchObject({ state: 'fail', found: expect.stringContaining('is intact but does not run here') });
  });

  test('an engine that is not running is said', async () => {
    await program(join(folder, 'bin/docker'), 'echo "Cannot connect to the Docker daemon" >&2; exit 1');
    await expect(findCaffe({ env })).rejects.toThrow(
      '; no Docker engine: Cannot connect to the Docker daemon. Install',
    );
  });

  test('in the container a tool keeps its exit code, and dies when whoever started it is gone', async () => {
    const entrypoint = resolve(import.meta.dirname, '../../../deploy/caffe-entrypoint.sh');
    const start = (...command: string[]) =>
      spawn('sh', [entrypoint, ...command], { stdio: ['pipe', 'ignore', 'inherit'], detached: true });
    const ended = (child: ReturnType<typeof start>) =>
      new Promise(done => child.once('exit', (code, signal) => done(signal ?? code)));

    const tool = start('sh', '-c', 'read -r line && exit 1; exit 7');
    expect(await ended(tool)).toBe(7);
    tool.stdin.end();

    const orphan = start('sleep', '1009');
    orphan.stdin.end();
    expect(await ended(orphan)).toBe('SIGKILL');
  });
});
