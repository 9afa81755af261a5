/** Where Debian 11's packages come from when mirrors have dropped it: real apt and dpkg, stand-ins for a mirror and for Debian's archive. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { runChild } from '../../../lib/process/child-process.ts';
import { which } from '../../../lib/process/which.ts';
import { installDebianCaffe } from '../../../lib/tools/caffe-debian.ts';
import { type Pin, readPins } from '../../../lib/tools/debian-packages.ts';

const [dpkg, helper] = await Promise.all([which('dpkg-deb'), which('/usr/lib/apt/apt-helper')]);

let folder: string;
let said: string[];
beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'debian-')));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  said = [];
});

interface Mirror {
  url: string;
  asked: string[];
}

/** Serves what it has by path, and answers all else with 404. */
async function serve(files: Record<string, Buffer>): Promise<Mirror> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const path = decodeURIComponent(request.url!.replace('/debian/', ''));
    asked.push(path);
    const bytes = files[path];
    if (bytes === undefined) response.writeHead(404).end();
    else response.writeHead(200, { 'content-length': bytes.length }).end(bytes);
  });
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done));
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise(done => server.close(done));
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/debian`, asked };
}

/** A package that holds one file of its name. */
async function deb(name: string): Promise<{ pin: Pin; bytes: Buffer }> {
  const tree = join(folder, 'trees', name);
  await mkdir(join(tree, 'DEBIAN'), { recursive: true });
  await mkdir(join(tree, 'usr/bin'), { recursive: true });
  await writeFile(
    join(tree, 'DEBIAN/control'),
    `Package: ${name}\nVersion: 1\nArchitecture: all\nMaintainer: a <a@b.invalid>\nDescription: ${name}\n`,
  );
  await writeFile(join(tree, 'usr/bin', name), name);
  const file = join(folder, `${name}_1.0+b1_all.deb`);
  const { code, tail } = await runChild(['dpkg-deb', '--root-owner-group', '--build', tree, file]);
  expect(code, tail.join('\n')).toBe(0);
  const bytes = await readFile(file);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return { pin: { path: `pool/main/${name}/${basename(file)}`, sha256 }, bytes };
}

describe.runIf(dpkg && helper)('a list of packages', () => {
  let one: Awaited<ReturnType<typeof deb>>;
  let two: Awaited<ReturnType<typeof deb>>;
  let pins: Pin[];
  beforeEach(async () => {
    [one, two] = [await deb('one'), await deb('two')];
    pins = [one.pin, two.pin];
  });
  const filesOf = (...debs: { pin: Pin; bytes: Buffer }[]) =>
    Object.fromEntries(debs.map(({ pin, bytes }) => [pin.path, bytes]));

  async function install(mirror: Mirror, archive: Mirror, earlier?: string): Promise<string> {
    const target = await mkdtemp(join(folder, 'install-'));
    await installDebianCaffe(target, {
      mirror: mirror.url,
      ...(earlier && { earlier }),
      env: { ...process.env, RETINOPATHY_DEBIAN_ARCHIVE: archive.url },
      report: line => said.push(line),
      pins,
    });
    expect((await readdir(join(target, 'root/usr/bin'))).sort()).toEqual(['one', 'two']);
    return target;
  }

  test('comes from the mirror, where that has them', async () => {
    const [mirror, archive] = [await serve(filesOf(one, two)), await serve({})];
    await install(mirror, archive);
    expect(mirror.asked.sort()).toEqual(pins.map(({ path }) => path).sort());
    expect(archive.asked).toEqual([]);
  });

  test("comes from Debian's archive where the mirror has dropped the suite, by checksum alone: no index is asked for", async () => {
    const [mirror, archive] = [await serve({}), await serve(filesOf(one, two))];
    await install(mirror, archive);
    expect(archive.asked.sort()).toEqual(pins.map(({ path }) => path).sort());
    expect(said[0]).toBe(
      "Expected 2 packages of Debian 11, got 0: one_1.0+b1_all.deb: 404 Not Found; going on with Debian's archive of retired suites",
    );
  });

  test('a package with another checksum is refused, and the archive asked for that one', async () => {
    const other = { ...two, bytes: (await deb('three')).bytes };
    const [mirror, archive] = [await serve(filesOf(one, other)), await serve(filesOf(one, two))];
    await install(mirror, archive);
    expect(said[0]).toMatch(
      /^Expected 2 packages of Debian 11, got 1: two_1\.0\+b1_all\.deb: Hash Sum mismatch; going on/,
    );
    expect(archive.asked).toEqual([two.pin.path]);
    await expect(install(mirror, mirror)).rejects.toThrow(
      "got 1: two_1.0+b1_all.deb: Hash Sum mismatch; from Debian's archive: Expected 2 packages of Debian 11, got 1: two_1.0+b1_all.deb: Hash Sum mismatch",
    );
  });

  test('is taken from an earlier install as far as its packages are whole', async () => {
    const [mirror, archive] = [await serve(filesOf(one, two)), await serve({})];
    const earlier = await install(mirror, archive);
    await writeFile(join(earlier, 'debs', basename(two.pin.path)), 'damaged');
    mirror.asked.length = 0;
    await install(mirror, archive, earlier);
    expect(mirror.asked).toEqual([two.pin.path]);
  });
});

const keyring = existsSync('/usr/share/keyrings/debian-archive-keyring.gpg');
test.runIf(keyring)(
  'another architecture than that of the list is fetched by signatures: from the archive with the same keys and the dates that it states',
  async () => {
    const bin = join(folder, 'bin');
    await mkdir(bin);
    const program = async (name: string, script: string) => {
      await writeFile(join(bin, name), `#!/bin/sh\n${script}\n`);
      await chmod(join(bin, name), 0o755);
    };
    await program('dpkg', '[ "$1" = --print-architecture ] && echo arm64 || mkdir -p "$3/usr"');
    // Notes its sources and settings; the mirror lacks the suite, the archive has it.
    await program(
      'apt-get',
      `for word; do case $word in
       Dir::Etc::sourcelist=*) sources=\${word#*=} ;;
       Dir::Cache::archives=*) archives=\${word#*=} ;;
       *Valid-Until*) echo "$word" >> ${folder}/log ;;
     esac; done
     cat "$sources" >> ${folder}/log
     case $(cat "$sources") in *mirror.example*) echo "E: The repository does not have a Release file." >&2; exit 100 ;; esac
     echo deb > "$archives/caffe_1_arm64.deb"`,
    );
    const target = join(folder, 'target');
    await mkdir(target);
    await installDebianCaffe(target, {
      mirror: 'http://mirror.example/debian',
      env: { PATH: `${bin}:/usr/bin:/bin`, RETINOPATHY_DEBIAN_ARCHIVE: 'http://archive.example/debian' },
      report: line => said.push(line),
    });
    const source = (host: string) =>
      `deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://${host}.example/debian bullseye main`;
    const log = (await readFile(join(folder, 'log'), 'utf8')).trim().split('\n');
    expect(log).toEqual([source('mirror'), source('archive'), source('archive')]);
    expect(await readdir(join(target, 'debs'))).toEqual(['caffe_1_arm64.deb']);
  },
);

test('the list names Caffe, OpenBLAS and the C library, each package once', async () => {
  const pins = (await readPins('amd64'))!;
  const names = pins.map(({ path }) => basename(path).split('_')[0]);
  expect(new Set(names).size).toBe(names.length);
  expect(names).toEqual(expect.arrayContaining(['caffe', 'libopenblas0-pthread', 'libc6']));
  expect(await readPins('m68k')).toBeNull();
});
