/**
 * The files of `deploy/` as the tools see them that know such files. `npm run lint:deploy` wants all of the tools (Debian has
 * shellcheck, cloud-init, and promtool in its package prometheus); the long tests take those that are there.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, onTestFinished, test } from 'vitest';
import { which } from '../../lib/process/which.ts';
import { pythonWith } from '../support/python-environment.ts';
import { readUserData } from '../support/user-data.ts';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const LONG = Boolean(process.env.RETINOPATHY_LONG);
const ALL = process.env.npm_lifecycle_event === 'lint:deploy';
const found = async (program: string) => (LONG ? await which(program, process.env.PATH) : null);
const [shellcheck, cloudInit, promtool, systemd] = await Promise.all(
  ['shellcheck', 'cloud-init', 'promtool', 'systemd-analyze'].map(found),
);

test.runIf(ALL)('the tools are here', () => {
  const tools = { shellcheck, cloudInit, promtool };
  expect(Object.entries(tools).filter(([, path]) => path === null)).toEqual([]);
});

describe.runIf(LONG)('files for machines', () => {
  test.runIf(shellcheck)('shellcheck finds nothing in the scripts', async () => {
    const scripts = (await readdir(join(ROOT, 'deploy'), { recursive: true })).filter(name => name.endsWith('.sh'));
    expect(scripts.length).toBeGreaterThan(2);
    await run(shellcheck!, [...scripts.map(name => join('deploy', name)), '.ci/run'], { cwd: ROOT });
  });

  test('cfn-lint finds nothing in the template', async () => {
    const python = await pythonWith({
      what: 'cfn-lint',
      name: 'cfn-lint-1.58.0',
      requirements: fileURLToPath(new URL('../support/cfn-lint.requirements.txt', import.meta.url)),
      modules: ['cfnlint'],
    });
    // The package is no program; its own program names the folder it was made in.
    const program = 'from cfnlint.runner import main; main()';
    await run(python, ['-c', program, 'deploy/ec2/gpu-workers.yaml'], { cwd: ROOT });
  }, 180_000);

  test.runIf(cloudInit)('cloud-init accepts the user data', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'user-data-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const file = join(folder, 'user-data');
    await writeFile(file, await readUserData());
    await run(cloudInit!, ['schema', '--config-file', file]);
  });

  test.runIf(systemd)('systemd accepts the units', async () => {
    for (const unit of ['deploy/retinopathy-gpu-worker.service', 'deploy/ec2/retinopathy-leave.service']) {
      const { stderr } = await run(systemd!, ['verify', unit], {
        ...{ cwd: ROOT, env: { ...process.env, SYSTEMD_LOG_TARGET: 'console' } },
      });
      expect(stderr.split('\n').filter(line => line.includes('retinopathy-'))).toEqual([]);
    }
  });
});
