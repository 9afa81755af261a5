/** A worker whose workflow code was bundled ahead, as in the image. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runChild } from '../../lib/process/child-process.ts';
import { findTemporalCli } from '../../lib/tools/temporal-cli.ts';
import { READY_LINE } from '../../workers/roles.ts';
import { workflowCode } from '../../workers/workflow-bundle.ts';
import { eventually, retinopathy } from '../support/command.ts';

describe('a worker of workflows with a bundle', () => {
  let folder: string;
  let environment: TestWorkflowEnvironment;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'bundle-'));
    const server = { executable: { type: 'existing-path', path: (await findTemporalCli()).path } } as const;
    environment = await TestWorkflowEnvironment.createLocal({ server });
  });
  afterAll(async () => {
    await environment?.teardown();
    await rm(folder, { recursive: true, force: true });
  });

  const start = (bundle: string) =>
    retinopathy(['worker', 'workflow'], {
      TEMPORAL_ADDRESS: environment.address,
      RETINOPATHY_WORKFLOW_BUNDLE: bundle,
    });

  test('runs what is in it', async () => {
    const bundle = join(folder, 'workflows.js');
    const made = await runChild([process.execPath, '--import', 'tsx', 'deploy/bundle-workflows.ts', bundle], {
      env: process.env,
    });
    expect(made, made.tail.join('\n')).toMatchObject({ code: 0 });
    const code = await readFile(bundle, 'utf8');
    expect(code).toContain('retinopathyPipeline');
    // Patterns are matched by activities alone.
    expect(code).not.toContain('RE2JS');

    const worker = start(bundle);
    await eventually(
      () => `the worker (${worker.output()})`,
      60,
      () => worker.output().includes(READY_LINE),
    );
    expect(worker.output()).not.toContain('Workflow bundle created');
    const handle = await environment.client.workflow.start('retinopathyPipeline', {
      workflowId: 'bundled',
      taskQueue: 'retinopathy',
    });
    expect(await handle.query('progress')).toMatchObject({ run: 'bundled' });
    await handle.terminate();
    worker.killGroup('SIGTERM');
    expect(await worker.exited, worker.output()).toEqual({ code: 0, signal: null });
  }, 120_000);

  test('says so when there is none', async () => {
    const none = join(folder, 'none.js');
    await expect(workflowCode({ RETINOPATHY_WORKFLOW_BUNDLE: none })).rejects.toThrow(
      `Expected RETINOPATHY_WORKFLOW_BUNDLE to be a file that deploy/bundle-workflows.ts has written, got ENOENT at ${none}`,
    );
  });
});
