/** A run that another release began: it is never gone on with in silence, and never waited for without a word. */
import { fileURLToPath } from 'node:url';
import type { Client } from '@temporalio/client';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { bundleWorkflowCode, DefaultLogger, Runtime, Worker, type WorkflowBundle } from '@temporalio/worker';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openExecution } from '../../cli/local/pipeline-client.ts';
import { followScoring, openScoring } from '../../cli/local/score.ts';
import { findStuck } from '../../cli/local/workflow-task.ts';
import { createConsole } from '../../cli/ui/console.ts';
import { follow } from '../../cli/ui/watch-progress.ts';
import { resolveInput } from '../../config/resolve.ts';
import { findTemporalCli } from '../../lib/tools/temporal-cli.ts';
import { TASK_QUEUE } from '../../workflows/ids.ts';
import { eventually, retinopathy } from '../support/command.ts';

const plan = { run: 'upgraded', input: resolveInput({}), store: 'file:/nowhere', code: 'before' };
const scoring = { request: { run: plan.run }, store: plan.store, code: 'before' };
const STORED = { record: true, report: true };
const DOES_NOT_FIT = 'a history that does not fit the code of the workers (TMPRL1100, another release began it)';

let environment: TestWorkflowEnvironment;
let client: Client;
let before: WorkflowBundle;
let after: WorkflowBundle;

beforeAll(async () => {
  Runtime.install({ logger: new DefaultLogger('ERROR') });
  const server = { executable: { type: 'existing-path', path: (await findTemporalCli()).path } } as const;
  environment = await TestWorkflowEnvironment.createLocal({ server });
  client = environment.client;
  [before, after] = (await Promise.all(['before', 'after'].map(bundle))) as [WorkflowBundle, WorkflowBundle];
});
afterAll(() => environment?.teardown());

function bundle(release: string): Promise<WorkflowBundle> {
  const workflowsPath = fileURLToPath(new URL(`fixtures/release-${release}.ts`, import.meta.url));
  return bundleWorkflowCode({ workflowsPath, logger: new DefaultLogger('ERROR') });
}

async function withWorker<Result>(workflowBundle: WorkflowBundle, work: () => Promise<Result>): Promise<Result> {
  const { nativeConnection: connection } = environment;
  const worker = await Worker.create({ connection, taskQueue: TASK_QUEUE, workflowBundle });
  return worker.runUntil(work);
}

/** Resolves when the worker has brought the workflow to its timer. */
async function begun(id: string): Promise<void> {
  await eventually(`${id} to wait for its timer`, 30, async () => {
    const { events } = await client.workflow.getHandle(id).fetchHistory();
    return events?.some(event => event.timerStartedEventAttributes);
  });
}

test('a run goes on with the code that began it; with other code it is ended, with a word about it', async () => {
  expect(await openExecution(client, plan, STORED)).toMatchObject({ how: 'started', notes: [] });
  expect(await openExecution(client, plan, STORED)).toMatchObject({ how: 'resumed', notes: [] });
  expect(await openExecution(client, { ...plan, code: 'after' }, STORED)).toMatchObject({
    how: 'started',
    notes: ['ended upgraded, because the code of the workflows has changed'],
  });
  await client.workflow.getHandle(plan.run).terminate();
});

test('a history that does not fit ends run and watch with one line; the next start begins it anew', async () => {
  const { handle } = await openExecution(client, plan, STORED);
  await withWorker(before, () => begun(plan.run));
  await withWorker(after, async () => {
    await handle.signal('anything');
    const screen = createConsole();
    const following = follow({
      ...{ client, handle, run: plan.run, screen, out: process.cwd(), signal: AbortSignal.timeout(50_000) },
    });
    await expect(following).rejects.toThrow(
      `Expected upgraded to go on, got ${DOES_NOT_FIT}: start again, which ends it and begins it with the present code; finished work is not done twice`,
    );

    const watching = retinopathy(['watch', plan.run], { TEMPORAL_ADDRESS: environment.address });
    expect(await watching.exited).toEqual({ code: 1, signal: null });
    expect(watching.output()).toBe(
      `retinopathy: Expected upgraded to go on, got ${DOES_NOT_FIT}: run workers of the release that began it, or end it (temporal workflow terminate --workflow-id upgraded) and start it again under the same id; finished work is not done twice\n`,
    );

    expect(await openExecution(client, plan, STORED)).toMatchObject({
      how: 'started',
      notes: ['ended upgraded, because its history does not fit the code of the workflows'],
    });
  });
  await client.workflow.getHandle(plan.run).terminate();
});

test('a scoring likewise', async () => {
  const id = 'upgraded-test';
  const handle = await openScoring(client, id, scoring);
  await withWorker(before, () => begun(id));
  await withWorker(after, async () => {
    await handle.signal('anything');
    const following = followScoring(client, handle, createConsole(), AbortSignal.timeout(50_000));
    await expect(following).rejects.toThrow(`Expected ${id} to go on, got ${DOES_NOT_FIT}`);
    await openScoring(client, id, scoring);
    expect(await findStuck(client, [id])).toBeUndefined();
  });
  await client.workflow.getHandle(id).terminate();
});

test('a workflow of another kind under the id of a run is neither gone on with nor ended', async () => {
  const stranger = await client.workflow.start('labelSplits', { workflowId: plan.run, taskQueue: TASK_QUEUE });
  const taken = 'Expected the workflow id upgraded to be free, got a running labelSplits that something else started';
  await expect(openExecution(client, plan, STORED)).rejects.toThrow(taken);
  await expect(openScoring(client, plan.run, scoring)).rejects.toThrow(taken);
  const watching = retinopathy(['watch', plan.run], { TEMPORAL_ADDRESS: environment.address });
  expect(await watching.exited).toEqual({ code: 1, signal: null });
  expect(watching.output()).toMatch(
    /^retinopathy: Expected upgraded at .* to be a run \(retinopathyPipeline\), got a labelSplits\n$/,
  );
  expect((await stranger.describe()).status.name).toBe('RUNNING');
  await stranger.terminate();
});
