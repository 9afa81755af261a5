/** Where the tests' S3 server comes from, with a stand-in for Go. */
import { chmod, mkdir, mkdtemp, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { which } from '../../../lib/process/which.ts';
import { findVersitygw } from '../../support/s3/versitygw.ts';

let folder: string;
let env: NodeJS.ProcessEnv;
beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'versitygw-')));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await mkdir(join(folder, 'bin'));
  for (const program of ['sh', 'chmod']) await symlink((await which(program))!, join(folder, 'bin', program));
  env = { PATH: join(folder, 'bin'), XDG_CACHE_HOME: join(folder, 'cache') };
});
const cached = () => join(folder, 'cache/retinopathy/versitygw-1.7.0/versitygw');

async function program(name: string, script: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, `#!/bin/sh\n${script}`);
  await chmod(path, 0o755);
  return path;
}

test('is built with Go where there is none, once', async () => {
  await program(
    'bin/go',
    `[ "$1" = env ] && exit 0\necho "$@" >> ${folder}/arguments\nprintf '#!/bin/sh\\necho "Version  : 1.7.0"\\n' > "$GOBIN/versitygw"\nchmod 755 "$GOBIN/versitygw"\n`,
  );
  const said: string[] = [];
  const made = { path: cached(), version: '1.7.0', origin: 'cache' };
  expect(await findVersitygw({ env, report: line => said.push(line) })).toEqual(made);
  expect(said).toEqual(['building versitygw with Go: a minute on two cores, this once']);
  expect(await findVersitygw({ env })).toEqual(made);
  expect((await readFile(join(folder, 'arguments'), 'utf8')).trim().split('\n')).toEqual([
    expect.stringMatching(/^install .* github\.com\/versity\/versitygw\/cmd\/versitygw@v1\.7\.0$/),
  ]);
});

test('the setting comes first, and must work', async () => {
  const own = await program('own', 'echo "Version  : v1.8.0"\n');
  expect(await findVersitygw({ env: { ...env, VERSITYGW_PATH: own } })).toEqual({
    path: own,
    version: 'v1.8.0',
    origin: 'VERSITYGW_PATH',
  });
  const broken = await program('broken', 'exit 3\n');
  await expect(findVersitygw({ env: { ...env, VERSITYGW_PATH: broken } })).rejects.toThrow(
    `Expected versitygw, got none: VERSITYGW_PATH is ${broken}, but \`${broken} --version\` answered exit 3: nothing`,
  );
});

test('one message when it can be had in no way', async () => {
  await expect(findVersitygw({ env })).rejects.toThrow(
    `Expected versitygw, got none: no versitygw in PATH; no ${cached()}; no Go in PATH to build it with. Install it`,
  );
});
