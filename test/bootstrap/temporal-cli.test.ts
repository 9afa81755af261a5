/** The order in which the Temporal CLI is looked for, with real executables, a real server to download from and a stand-in for Go. */

import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readdir, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { pack } from 'tar-stream';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { findTemporalCli, lookForTemporalCli } from '../../bootstrap/temporal-cli.ts';
import { which } from '../../system/which.ts';

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

test('downloaded when there is none, through the service the SDKs ask', async () => {
  const asked: string[] = [];
  const archive = pack();
  archive.entry({ name: 'LICENSE' }, 'MIT');
  archive.entry({ name: 'temporal' }, temporal('1.5.1'));
  archive.finalize();
  const bytes = gzipSync(await buffer(archive));
  const from = await serve((request, response) => {
    asked.push(request.url!);
    if (request.url === '/archive') response.end(bytes);
    else response.end(JSON.stringify({ archiveUrl: `${from}/archive`, fileToExtract: 'temporal' }));
  });
  // Nothing on loopback goes through a proxy, least of all one that is not there.
  const proxied = { ...env, HTTP_PROXY: nowhere.from };
  expect(await findTemporalCli({ env: proxied, from })).toMatchObject({
    path: cached(),
    version: '1.5.1',
    origin: 'cache',
  });
  const arch = process.arch === 'x64' ? 'amd64' : process.arch;
  expect(asked).toEqual([`/cli/v1.5.1?platform=${process.platform}&arch=${arch}&format=tar.gz`, '/archive']);
  expect(await findTemporalCli({ env: proxied, from })).toMatchObject({ version: '1.5.1' });
  expect(asked).toHaveLength(2);
});

test('built with Go when the download stalls', async () => {
  const from = await serve(() => {});
  await program(
    join(folder, 'bin/go'),
    `#!/bin/sh\necho "$@" > ${folder}/arguments\necho go.temporal.io/api >&2\nprintf '%s' '${temporal('1.5.1')}' > "$GOBIN/temporal"\nchmod 755 "$GOBIN/temporal"\n`,
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
  await program(join(folder, 'bin/go'), '#!/bin/sh\necho "go: module lookup disabled by GOPROXY=off" >&2\nexit 1\n');
  await expect(findTemporalCli({ env, ...nowhere })).rejects.toThrow(
    'go install ended with exit 1: go: module lookup disabled by GOPROXY=off',
  );
  await program(
    join(folder, 'bin/go'),
    '#!/bin/sh\necho "#!/bin/sh" > "$GOBIN/temporal"\nchmod 755 "$GOBIN/temporal"\n',
  );
  await expect(findTemporalCli({ env, ...nowhere })).rejects.toThrow('--version` answered exit 0: nothing');
});

test('one that is broken in the cache is made anew', async () => {
  await program(cached(), '#!/bin/sh\nexit 1\n');
  await program(
    join(folder, 'bin/go'),
    `#!/bin/sh\nprintf '%s' '${temporal('9')}' > "$GOBIN/temporal"\nchmod 755 "$GOBIN/temporal"\n`,
  );
  expect(await findTemporalCli({ env, ...nowhere })).toMatchObject({ version: '9', origin: 'cache' });
});

test('a build can be ended', async () => {
  await program(join(folder, 'bin/go'), `#!/bin/sh\necho started > ${folder}/started\nexec sleep 1008\n`);
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
