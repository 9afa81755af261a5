/** The order in which the Temporal CLI is looked for, with real executables, a real server to download from and a stand-in for Go. */

import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readdir, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { pack } from 'tar-stream';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { which } from '../../../lib/process/which.ts';
import { findTemporalCli, lookForTemporalCli } from '../../../lib/tools/temporal-cli.ts';

const run = promisify(execFile);
/** How a stand-in for Go begins. */
const GO = '#!/bin/sh\n[ "$1" = env ] && exit 0\n';

let folder: string;
let env: NodeJS.ProcessEnv;
let said: string[];
const report = (line: string) => said.push(line);
/** An address where nobody listens: the answer is there at once. */
let nowhere: { from: string };

beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'temporal-cli-')));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await mkdir(join(folder, 'bin'));
  for (const program of ['sh', 'cat', 'sleep', 'chmod'])
    await symlink((await which(program))!, join(folder, 'bin', program));
  env = { PATH: join(folder, 'bin'), XDG_CACHE_HOME: join(folder, 'cache') };
  said = [];
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  nowhere = { from: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
  await new Promise(done => server.close(done));
});

const temporal = (version: string) => `#!/bin/sh\necho "temporal version ${version}"\n`;
const cached = () => join(folder, 'cache/retinopathy/temporal-1.5.1/temporal');

async function program(path: string, script: string): Promise<string> {
  await mkdir(join(path, '..'), { recursive: true });
  await writeFile(path, script);
  await chmod(path, 0o755);
  return path;
}

test('the setting comes first, then PATH, then the cache', async () => {
  await program(cached(), temporal('3'));
  expect(await findTemporalCli({ env })).toEqual({ path: cached(), version: '3', origin: 'cache' });
  const inPath = await program(join(folder, 'bin/temporal'), temporal('2'));
  expect(await findTemporalCli({ env })).toEqual({ path: inPath, version: '2', origin: 'PATH' });
  const own = await program(join(folder, 'own/my temporal'), temporal('1 (Server 1.29.1, UI 2.42.1)'));
  const named = { ...env, TEMPORAL_CLI_PATH: own };
  expect(await findTemporalCli({ env: named })).toEqual({
    path: own,
    version: '1 (Server 1.29.1, UI 2.42.1)',
    origin: 'TEMPORAL_CLI_PATH',
  });
});

test('a setting that names nothing that works is an error, whatever else there is', async () => {
  await program(join(folder, 'bin/temporal'), temporal('2'));
  const broken = await program(join(folder, 'broken'), '#!/bin/sh\necho "Exec format error" >&2\nexit 126\n');
  for (const [path, reason] of [
    [join(folder, 'none'), `Expected ${folder}/none to start, got ENOENT`],
    [broken, `\`${broken} --version\` answered exit 126: Exec format error`],
  ] as const) {
    await expect(findTemporalCli({ env: { ...env, TEMPORAL_CLI_PATH: path } })).rejects.toThrow(
      `Expected the Temporal CLI, got none: TEMPORAL_CLI_PATH is ${path}, but ${reason}. Install it`,
    );
  }
});

test('another program of that name in PATH is passed over, and why is said', async () => {
  await program(join(folder, 'bin/temporal'), '#!/bin/sh\necho "temporal: a music player"\n');
  await program(cached(), temporal('3'));
  expect(await findTemporalCli({ env, report })).toMatchObject({ version: '3' });
  expect(said).toEqual([
    `passing over the Temporal CLI in PATH: \`${folder}/bin/temporal --version\` answered exit 0: temporal: a music player`,
  ]);
});

interface Release {
  from: string;
  asked: string[];
  bytes: Buffer;
}

/** A service and a release; `changed` answers in place of some addresses. */
async function release(
  changed: (bytes: Buffer) => Record<string, string | Buffer | { location: string }> = () => ({}),
) {
  const archive = pack();
  archive.entry({ name: 'LICENSE' }, 'MIT');
  archive.entry({ name: 'temporal' }, temporal('1.5.1'));
  archive.finalize();
  const bytes = gzipSync(await buffer(archive));
  const list = `${'0'.repeat(64)}  other.tar.gz\n${createHash('sha256').update(bytes).digest('hex')}  cli.tar.gz\n`;
  const made: Release = { from: '', asked: [], bytes };
  made.from = await serve((request, response) => {
    made.asked.push(request.url!);
    const path = request.url!.split('?')[0]!;
    const answers = {
      '/cli/v1.5.1': JSON.stringify({ archiveUrl: `${made.from}/v1.5.1/cli.tar.gz`, fileToExtract: 'temporal' }),
      '/v1.5.1/checksums.txt': list,
      '/v1.5.1/cli.tar.gz': bytes,
      ...changed(bytes),
    };
    const answer = answers[path as keyof typeof answers] as string | Buffer | { location: string } | undefined;
    if (answer === undefined) response.writeHead(404).end();
    else if (typeof answer === 'string' || Buffer.isBuffer(answer)) response.end(answer);
    else response.writeHead(302, answer).end();
  });
  return made;
}

test('downloaded when there is none, through the service the SDKs ask', async () => {
  const { from, asked } = await release();
  // Nothing on loopback goes through a proxy, least of all one that is not there.
  const proxied = { ...env, HTTP_PROXY: nowhere.from };
  expect(await findTemporalCli({ env: proxied, from })).toMatchObject({
    path: cached(),
    version: '1.5.1',
    origin: 'cache',
  });
  const arch = process.arch === 'x64' ? 'amd64' : process.arch;
  expect(asked).toEqual([
    `/cli/v1.5.1?platform=${process.platform}&arch=${arch}&format=tar.gz`,
    '/v1.5.1/checksums.txt',
    '/v1.5.1/cli.tar.gz',
  ]);
  expect(await findTemporalCli({ env: proxied, from })).toMatchObject({ version: '1.5.1' });
  expect(asked).toHaveLength(3);
});

const elsewhere = (archiveUrl: string) => () => ({
  '/cli/v1.5.1': JSON.stringify({ archiveUrl, fileToExtract: 'temporal' }),
});
test.each<[string, Parameters<typeof release>[0], string]>([
  [
    'has another checksum than its release states',
    bytes => ({ '/v1.5.1/cli.tar.gz': Buffer.concat([bytes, Buffer.alloc(1)]) }),
    "of the release's checksums.txt, got ",
  ],
  [
    'is in no list of checksums',
    () => ({ '/v1.5.1/checksums.txt': `${'0'.repeat(64)}  other.tar.gz\n` }),
    "Expected a checksum of cli.tar.gz in the release's checksums.txt, got none",
  ],
  [
    'comes by plain HTTP',
    elsewhere('http://cli.example/cli.tar.gz'),
    'Expected an address of https, got http://cli.example',
  ],
  [
    'is redirected to plain HTTP',
    () => ({ '/v1.5.1/cli.tar.gz': { location: 'http://cli.example/cli.tar.gz' } }),
    'Expected an address of https, got http://cli.example',
  ],
  ['has an address that is none', elsewhere('none'), 'to say where the archive is, got no address'],
  ['has no address but a page', () => ({ '/cli/v1.5.1': '<html>' }), 'to say where the archive is, got no address'],
])('an archive that %s is refused, and nothing of it kept', async (_, changed, reason) => {
  const { from } = await release(changed);
  await expect(findTemporalCli({ env, from })).rejects.toThrow(reason);
  expect(await readdir(join(folder, 'cache/retinopathy'))).toEqual([]);
});

test('a list of checksums that cannot be had is said; a redirect within what is allowed is followed', async () => {
  const { from } = await release(() => ({ '/v1.5.1/checksums.txt': { location: '/none' } }));
  await expect(findTemporalCli({ env, from })).rejects.toThrow(
    /the download failed: 127\.0\.0\.1:\d+ answered 404 for none/,
  );
  const redirected = await release(bytes => ({ '/v1.5.1/cli.tar.gz': { location: '/moved' }, '/moved': bytes }));
  expect(await findTemporalCli({ env, from: redirected.from })).toMatchObject({ version: '1.5.1' });
});

test.each(['off,', 'sum.golang.org,*'])('a Go that checks no modules (%s) builds nothing', async settings => {
  const lines = settings.split(',').join('\\n');
  await program(
    join(folder, 'bin/go'),
    `#!/bin/sh\n[ "$1" = env ] && printf '${lines}\\n' || echo built > ${folder}/built\n`,
  );
  await expect(findTemporalCli({ env, ...nowhere })).rejects.toThrow('Go is set to check no modules: set GOSUMDB');
  expect(await readdir(folder)).not.toContain('built');
});

test('built with Go when the download stalls', async () => {
  const from = await serve(() => {});
  await program(
    join(folder, 'bin/go'),
    `${GO}echo "$@" > ${folder}/arguments\necho go.temporal.io/api >&2\nprintf '%s' '${temporal('1.5.1')}' > "$GOBIN/temporal"\nchmod 755 "$GOBIN/temporal"\n`,
  );
  expect(await findTemporalCli({ env, report, from, stallMs: 200 })).toMatchObject({
    path: cached(),
    version: '1.5.1',
  });
  expect(said).toEqual([
    'downloading the Temporal CLI',
    'the download failed: nothing came for 0.2 s',
    'building the Temporal CLI with Go: three to four minutes on two cores, this once',
  ]);
  expect(await readFile(join(folder, 'arguments'), 'utf8')).toMatch(
    /^install .* github\.com\/temporalio\/cli\/cmd\/temporal@v1\.5\.1$/m,
  );
});

test('one message when it can be had in no way', async () => {
  const nothing = findTemporalCli({ env, ...nowhere });
  await expect(nothing).rejects.toThrow(
    `Expected the Temporal CLI, got none: no temporal in PATH; no ${cached()}; the download failed: fetch failed (ECONNREFUSED); no Go in PATH to build it with. Install it (https://docs.temporal.io/cli) so that \`temporal\` is in PATH, or set TEMPORAL_CLI_PATH to it`,
  );
  expect(await readdir(join(folder, 'cache/retinopathy'))).toEqual([]);
});

test('what Go says last is in the message; a Go that makes something broken is found out', async () => {
  await program(join(folder, 'bin/go'), `${GO}echo "go: module lookup disabled by GOPROXY=off" >&2\nexit 1\n`);
  await expect(findTemporalCli({ env, ...nowhere })).rejects.toThrow(
    'go install ended with exit 1: go: module lookup disabled by GOPROXY=off',
  );
  await program(join(folder, 'bin/go'), `${GO}echo "#!/bin/sh" > "$GOBIN/temporal"\nchmod 755 "$GOBIN/temporal"\n`);
  await expect(findTemporalCli({ env, ...nowhere })).rejects.toThrow('--version` answered exit 0: nothing');
});

/** A Go that makes a CLI of this version. */
const go = (script: string) =>
  program(join(folder, 'bin/go'), `${GO}printf '%s' '${script}' > "$GOBIN/temporal"\nchmod 755 "$GOBIN/temporal"\n`);

test('one that is broken in the cache is replaced, but only by one that runs', async () => {
  await program(cached(), '#!/bin/sh\nexit 1\n');
  await expect(findTemporalCli({ env, ...nowhere })).rejects.toThrow('no Go in PATH');
  expect(await readFile(cached(), 'utf8')).toBe('#!/bin/sh\nexit 1\n');
  await go(temporal('9'));
  expect(await findTemporalCli({ env, ...nowhere })).toMatchObject({ version: '9', origin: 'cache' });
});

test('one that is intact in the cache but does not run here stays, and that is the message', async () => {
  await go('#!/bin/sh\n[ -z "$NARROW" ] && echo "temporal version 9" || { echo no memory >&2; exit 7; }\n');
  await findTemporalCli({ env, ...nowhere });
  const narrow = { ...env, NARROW: '1' };
  const reason = `the Temporal CLI in ${join(cached(), '..')} is intact but does not run here: \`${cached()} --version\` answered exit 7: no memory`;
  await expect(findTemporalCli({ env: narrow, report, ...nowhere })).rejects.toThrow(
    `Expected the Temporal CLI, got none: no temporal in PATH; ${reason}. Install it`,
  );
  expect(said).toEqual([]);
  await expect(lookForTemporalCli({ env: narrow })).rejects.toThrow(reason);
  expect(await findTemporalCli({ env, ...nowhere })).toMatchObject({ version: '9' });
});

test('what is preloaded into this process is not into the CLI', async () => {
  await program(cached(), '#!/bin/sh\n[ -z "$LD_PRELOAD$LD_AUDIT" ] && echo "temporal version 9"\n');
  const preloaded = { ...env, LD_PRELOAD: '/lib/other.so', LD_AUDIT: '/lib/audit.so' };
  expect(await findTemporalCli({ env: preloaded, ...nowhere })).toMatchObject({ version: '9' });
});

/** Mounts a small file system of memory. */
const mount = (at: string) => run('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', at]);
const mayMount = await (async () => {
  const at = await mkdtemp(join(tmpdir(), 'mount-'));
  try {
    await mount(at);
    await run('umount', [at]);
    return true;
  } catch {
    return false;
  } finally {
    await rm(at, { recursive: true });
  }
})();

test.runIf(mayMount)(
  'a cache on a file system without programs is said before anything is fetched, and kept',
  async () => {
    const cache = join(folder, 'cache');
    await mkdir(cache);
    await mount(cache);
    onTestFinished(async () => {
      await run('umount', [cache]);
    });
    const remount = (how: string) => run('mount', ['-o', `remount,${how}`, cache]);
    await remount('noexec');
    await expect(findTemporalCli({ env, report, ...nowhere })).rejects.toThrow(
      /Expected to run programs from \S+, got EACCES: its file system is mounted noexec; set XDG_CACHE_HOME/,
    );
    expect(said).toEqual([]);
    await remount('exec');
    await go(temporal('9'));
    await findTemporalCli({ env, ...nowhere });
    await remount('noexec');
    await expect(findTemporalCli({ env, ...nowhere })).rejects.toThrow(
      `is intact but does not run here: Expected ${cached()} to start, got EACCES: its file system is mounted noexec`,
    );
    await remount('exec');
    expect(await findTemporalCli({ env, ...nowhere })).toMatchObject({ version: '9' });
  },
);

test('a build can be ended', async () => {
  await program(join(folder, 'bin/go'), `${GO}echo started > ${folder}/started\nexec sleep 1008\n`);
  const stop = new AbortController();
  const build = findTemporalCli({ env, ...nowhere, signal: stop.signal });
  const ended = expect(build).rejects.toThrow('enough');
  await expect.poll(() => readdir(folder)).toContain('started');
  stop.abort(new Error('enough'));
  await ended;
  expect(await readdir(join(folder, 'cache/retinopathy'))).toEqual([]);
});

test('looking makes nothing', async () => {
  const tried: string[] = [];
  expect(await lookForTemporalCli({ env }, tried)).toBeNull();
  expect(tried).toEqual(['no temporal in PATH', `no ${cached()}`]);
  expect(await readdir(folder)).toEqual(['bin']);
});

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done));
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise(done => server.close(done));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
