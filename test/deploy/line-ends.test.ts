/** A clone on a machine that wants CRLF has the bytes that the scripts, the images and the content keys need. */
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { which } from '../../lib/process/which.ts';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const git = await which('git', process.env.PATH);
const FILES = [
  ...[
    '.gitattributes',
    'deploy/make-env.sh',
    'deploy/caffe-entrypoint.sh',
    'deploy/temporal/schema.sh',
    'deploy/Dockerfile',
  ],
  ...['docker-compose.yml', 'config/demo.json', 'cli/start.mjs', 'lib/tools/cache.ts', 'docs/images/report.png'],
];

test.runIf(git)('git with core.autocrlf=true checks every file out as it is here', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'line-ends-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const [origin, clone] = [join(folder, 'origin'), join(folder, 'clone')];
  // Nothing of the user's own settings.
  const env = { PATH: process.env.PATH, HOME: folder, GIT_CONFIG_NOSYSTEM: '1' };
  for (const file of FILES) {
    await mkdir(dirname(join(origin, file)), { recursive: true });
    await cp(join(ROOT, file), join(origin, file));
  }
  const inOrigin = (...args: string[]) =>
    run(git!, ['-c', 'user.name=a', '-c', 'user.email=a@b.invalid', ...args], { cwd: origin, env });
  await inOrigin('init', '--quiet');
  await inOrigin('add', '.');
  await inOrigin('commit', '--quiet', '--message', 'all');
  await run(git!, ['clone', '--quiet', '-c', 'core.autocrlf=true', '-c', 'core.eol=crlf', origin, clone], { env });
  for (const file of FILES) expect(await readFile(join(clone, file)), file).toEqual(await readFile(join(ROOT, file)));
  await run('sh', ['-n', join(clone, 'deploy/make-env.sh')]);
});
