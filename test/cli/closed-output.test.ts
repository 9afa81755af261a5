/** A command whose output nobody takes, because its reader has left or the disk below it is full. */
import { spawn } from 'node:child_process';
import { mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { findTemporalCli } from '../../lib/tools/temporal-cli.ts';
import { storeId } from '../../storage/identity.ts';
import { openStore } from '../../storage/open.ts';
import { TASK_QUEUE } from '../../workflows/ids.ts';
import { eventually } from '../support/command.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'closed-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

type Stream = 'read' | 'closed' | 'full';

/** Starts the command with its two streams as asked. */
async function start(args: readonly string[], stdout: Stream, stderr: Stream, env: NodeJS.ProcessEnv = {}) {
  const full = await open('/dev/full', 'w');
  const stdio = [stdout, stderr].map(stream => (stream === 'full' ? full.fd : ('pipe' as const)));
  const child = spawn(process.execPath, ['cli/start.mjs', ...args], {
    cwd: ROOT,
    env: { ...process.env, NO_COLOR: '1', ...env },
    stdio: ['ignore', ...stdio],
  });
  await full.close();
  let said = '';
  for (const [stream, how] of [
    [child.stdout, stdout],
    [child.stderr, stderr],
  ] as const) {
    if (how === 'closed') stream?.destroy();
    stream?.on('data', chunk => {
      said += chunk;
    });
  }
  onTestFinished(() => void child.kill('SIGKILL'));
  const ended = new Promise<{ code: number | NodeJS.Signals | null; said: string }>(resolve =>
    child.once('close', (code, signal) => resolve({ code: code ?? signal, said })),
  );
  return { child, ended };
}
const run = async (...args: Parameters<typeof start>) => (await start(...args)).ended;

describe('a command that prints its result', () => {
  const gc = () => ['gc', '--store', `file:${folder}/empty`];

  test('ends with its reader', async () => {
    expect(await run(gc(), 'closed', 'read')).toEqual({ code: 0, said: '' });
    expect(await run(['--help'], 'closed', 'read')).toEqual({ code: 0, said: '' });
  });

  test('fails where its result is lost', async () => {
    expect(await run(gc(), 'full', 'read')).toEqual({
      code: 1,
      said: 'retinopathy: Expected standard output to take the result, got ENOSPC\n',
    });
  });

  test('does its work all the same where there is some', async () => {
    await storeId(await openStore(`file:${folder}/empty`));
    for (const stream of ['closed', 'full'] as const)
      expect(await run([...gc(), '--delete'], stream, 'read')).toEqual({ code: 0, said: '' });
  });

  test('says what is wrong by its exit status where nobody reads that', async () => {
    expect(await run(['gc', '--store', 'ftp://x'], 'closed', 'closed')).toEqual({ code: 1, said: '' });
  });
});

test('a run goes on to its end', async () => {
  const out = join(folder, 'out');
  const args = ['run', '--no-keep', '--out', out, '--until', 'download', '--set', 'synthetic.patients=40'];
  expect(await run(args, 'closed', 'full')).toEqual({ code: 0, said: '' });
  const { run: id } = JSON.parse(await readFile(join(out, 'state.json'), 'utf8'));
  expect(JSON.parse(await readFile(join(out, 'store', 'runs', id, 'run.json'), 'utf8'))).toMatchObject({ run: id });
}, 480_000);

test.each(['closed', 'full'] as const)(
  'a worker polls, and ends well when it is told to: %s',
  async stream => {
    const { path } = await findTemporalCli({ env: process.env });
    const server = { executable: { type: 'existing-path' as const, path } };
    const environment = await TestWorkflowEnvironment.createLocal({ server });
    try {
      const { child, ended } = await start(['worker', 'cpu'], stream, stream, {
        ...{ TEMPORAL_ADDRESS: environment.address, RETINOPATHY_STORE: `file:${folder}/store` },
        ...{ RETINOPATHY_SCRATCH: join(folder, 'scratch'), AWS_EC2_METADATA_DISABLED: 'true' },
      });
      await eventually('the worker to poll', 300, async () => {
        const { pollers } = await environment.client.workflowService.describeTaskQueue({
          ...{ namespace: 'default', taskQueue: { name: TASK_QUEUE }, taskQueueType: 2 },
        });
        return pollers?.some(({ identity }) => identity?.endsWith(`/${child.pid}`));
      });
      child.kill('SIGTERM');
      expect(await ended).toEqual({ code: 0, said: '' });
    } finally {
      await environment.teardown();
    }
  },
  480_000,
);
