import { chmod, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { examine } from '../../../lib/tools/doctor.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'doctor-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
});

async function findings(env: NodeJS.ProcessEnv) {
  const all = await examine(env, [join(folder, 'not/yet/there')]);
  return (name: string) => all.filter(finding => finding.name === name).map(({ state, found }) => `${state}: ${found}`);
}

test('what this suite runs on is found, with version and place', async () => {
  const of = await findings(process.env);
  expect(of('Temporal CLI')[0]).toMatch(/^ok: \S+ \(Server .*\) · \/.*temporal \(TEMPORAL_CLI_PATH\)$/);
  expect(of('Caffe')[0]).toMatch(/^ok: caffe version \S+ \(.*\) · .*caffe$/);
  expect(of('Node')).toEqual([expect.stringContaining(`ok: ${process.versions.node}, `)]);
  expect(of('Memory')[0]).toMatch(/^(ok|warn): \d+\.\d of \d+\.\d GB free$/);
  expect(of('Disk')[0]).toMatch(/^(ok|warn): \d+\.\d GB free for .*not\/yet\/there$/);
});

test('a machine with nothing is told what will be done, and nothing is done', async () => {
  const of = await findings({ PATH: folder, XDG_CACHE_HOME: join(folder, 'cache') });
  expect(of('Temporal CLI')).toEqual([
    'warn: none yet: it will be downloaded; there is no Go to build it should that fail',
  ]);
  expect(of('Caffe')[0]).toMatch(
    /^fail: none: no caffe in PATH; no Caffe in .*; apt knows no Debian mirror; no docker in PATH$/,
  );
  expect(of('Proxy')).toEqual(['ok: none']);
  expect(await readdir(folder)).toEqual([]);
});

test('a setting that names something broken fails', async () => {
  await writeFile(join(folder, 'caffe'), '#!/bin/sh\nexit 3\n');
  await chmod(join(folder, 'caffe'), 0o755);
  const of = await findings({ ...process.env, CAFFE: join(folder, 'caffe'), TEMPORAL_CLI_PATH: '/none' });
  expect(of('Caffe')[0]).toMatch(/^fail: .*CAFFE is .*answered exit 3/);
  expect(of('Temporal CLI')[0]).toMatch(/^fail: .*TEMPORAL_CLI_PATH is \/none/);
});

test('the proxy is shown without its password', async () => {
  const of = await findings({
    PATH: folder,
    https_proxy: 'http://user:secret@proxy.example:3128',
    NODE_EXTRA_CA_CERTS: '/ca.pem',
  });
  expect(of('Proxy')).toEqual(['ok: HTTPS_PROXY http://…@proxy.example:3128; loopback goes around it']);
  expect(of('Certificates')).toEqual(['ok: the usual ones and those in /ca.pem']);
});

test.each([
  ['alice:s3cret@proxy.example:3128', '…@proxy.example:3128'],
  ['alice:s3cr@t@proxy.example', '…@proxy.example'],
  ['http://alice:s3/cr@t@proxy.example:3128/', 'http://…@proxy.example:3128'],
  ['http://s3cret@[::1]:8', 'http://…@[::1]:8'],
  ['alice:s3cret', 'an address that cannot be read'],
  ['http://alice:s3cret@', 'an address that cannot be read'],
  ['proxy.example:3128', 'proxy.example:3128'],
])('of the proxy %s is shown %s', async (proxy, shown) => {
  const of = await findings({ PATH: folder, HTTPS_PROXY: proxy });
  expect(of('Proxy')).toEqual([`ok: HTTPS_PROXY ${shown}; loopback goes around it`]);
});
