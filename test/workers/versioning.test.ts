/** Worker Versioning on a real server: a run goes to the current version of the workers, and over to the next one. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runChild } from '../../lib/process/child-process.ts';
import { findTemporalCli } from '../../lib/tools/temporal-cli.ts';
import { READY_LINE, type Role } from '../../workers/roles.ts';
import { eventually, retinopathy } from '../support/command.ts';
import { TINY } from '../support/tiny.ts';

describe.runIf(process.env.RETINOPATHY_LONG)('versions of the workers', () => {
  let environment: TestWorkflowEnvironment;
  let temporal: string;
  let folder: string;
  beforeAll(async () => {
    temporal = (await findTemporalCli({ env: process.env })).path;
    folder = await mkdtemp(join(tmpdir(), 'versions-'));
    const server = { executable: { type: 'existing-path', path: temporal } } as const;
    environment = await TestWorkflowEnvironment.createLocal({ server });
  });
  afterAll(async () => {
    await environment?.teardown();
    await rm(folder, { recursive: true, force: true });
  });

  const start = async (role: Role, build: string) => {
    const command = retinopathy(['worker', role], {
      ...{ TEMPORAL_ADDRESS: environment.address, RETINOPATHY_STORE: `file:${folder}/store` },
      ...{ TEMPORAL_DEPLOYMENT_NAME: 'eyes', TEMPORAL_WORKER_BUILD_ID: build },
      ...{ RETINOPATHY_SCRATCH: join(folder, 'scratch'), AWS_EC2_METADATA_DISABLED: 'true' },
    });
    await eventually(
      () => `worker ${role} (${command.output()})`,
      60,
      () => command.output().includes(READY_LINE),
    );
    return command;
  };
  const makeCurrent = (build: string) =>
    eventually(`${build} to be current`, 60, async () => {
      const version = ['--deployment-name', 'eyes', '--build-id', build, '--yes', '--address', environment.address];
      const { code } = await runChild([temporal, 'worker', 'deployment', 'set-current-version', ...version]);
      return code === 0;
    });
  const run = async (workflowId: string) => {
    const handle = await environment.client.workflow.start('retinopathyPipeline', {
      ...{ taskQueue: 'retinopathy', workflowId, args: [{ ...TINY, until: 'download' }] },
    });
    await handle.result();
    const { raw } = await handle.describe();
    return raw.workflowExecutionInfo?.versioningInfo?.deploymentVersion?.buildId;
  };

  test('the current one does the work', async () => {
    const old = [await start('workflow', 'one'), await start('cpu', 'one')];
    await makeCurrent('one');
    expect(await run('first')).toBe('one');
    await start('workflow', 'two');
    await start('cpu', 'two');
    await makeCurrent('two');
    for (const { pid } of old) process.kill(pid, 'SIGTERM');
    expect(await run('second')).toBe('two');
  }, 240_000);
});
