/** How a run is ended from outside: by signals, by a kill of the command alone, by a closed disk; and what it leaves. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Command, eventually, npmStart, retinopathy } from '../support/command.ts';
import { processesMentioning } from '../support/processes.ts';
import { TINY_OPTIONS } from '../support/tiny.ts';

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stop-'));
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** The seconds that the design allows for an orderly end. */
const STOP_WITHIN = 20;
const NOTICED_WITHIN = 10;

const nothingLeft = (out: string, seconds: number) =>
  eventually(`no process of ${out}`, seconds, async () => (await processesMentioning(out)).length === 0);

async function underWay(command: Command): Promise<void> {
  await eventually(
    () => `the run to start (${command.output()})`,
    120,
    () => command.output().includes('Started'),
  );
}

describe('an orderly end', () => {
  test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    '%s: paused, says how to go on, leaves no process',
    async signal => {
      const out = join(folder, signal);
      const command = retinopathy(['run', '--out', out, ...TINY_OPTIONS]);
      await underWay(command);
      process.kill(command.pid, signal);
      const at = Date.now();
      const { code } = await command.exited;
      expect(Date.now() - at).toBeLessThan(STOP_WITHIN * 1000);
      expect(code).toBe({ SIGINT: 130, SIGTERM: 143, SIGHUP: 129 }[signal]);
      expect(command.output()).toContain('Paused, not cancelled');
      expect(command.output()).toContain('Go on:');
      expect(command.output()).toContain(`rm -r ${out}`);
      expect(command.output()).not.toMatch(/^\s+at .*:\d+:\d+/m);
      await nothingLeft(out, 1);
    },
    180_000,
  );
});

describe('no orderly end', () => {
  test('kill -9 of the command alone: what it started ends by itself', async () => {
    const out = join(folder, 'alone');
    const command = retinopathy(['run', '--out', out, ...TINY_OPTIONS]);
    await underWay(command);
    process.kill(command.pid, 'SIGKILL');
    await nothingLeft(out, NOTICED_WITHIN);
  }, 180_000);

  test('kill -9 of npm alone: the command notices and ends in order', async () => {
    const out = join(folder, 'npm');
    const command = npmStart(['--out', out, ...TINY_OPTIONS]);
    await underWay(command);
    process.kill(command.pid, 'SIGKILL');
    await nothingLeft(out, STOP_WITHIN);
  }, 180_000);

  test('kill -9 of the server and of a worker: both are started again, and the run ends as if nothing had happened', async () => {
    const out = join(folder, 'parts');
    const command = retinopathy(['run', '--out', out, ...TINY_OPTIONS]);
    await underWay(command);
    const servers = await processesMentioning(join(out, 'temporal.db'), 'start-dev');
    for (const pid of servers) process.kill(pid, 'SIGKILL');
    await eventually('the server to be back', 60, () => command.output().includes('server ended (SIGKILL)'));
    await eventually('the training to begin', 120, () => /done label|train \d/.test(command.output()));
    const workers = await processesMentioning(out, 'worker\0gpu');
    for (const pid of workers) process.kill(pid, 'SIGKILL');
    expect(await command.exited, command.output()).toEqual({ code: 0, signal: null });
    expect(command.output()).toContain('worker-gpu ended (SIGKILL) and is started again');
    await nothingLeft(out, 1);
  }, 240_000);

  test('an out folder in use is refused with one line', async () => {
    const out = join(folder, 'shared');
    const first = retinopathy(['run', '--out', out, ...TINY_OPTIONS]);
    await underWay(first);
    const second = retinopathy(['run', '--out', out, ...TINY_OPTIONS]);
    expect((await second.exited).code).toBe(1);
    expect(second.output().trim()).toMatch(/^retinopathy: Expected .* to be free, got process \d+ using it: .*$/);
    first.killGroup('SIGTERM');
    await first.exited;
    await nothingLeft(out, 1);
  }, 180_000);
});
