/** However a parent ends, nothing of what it started is left. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { which } from '../../../lib/process/which.ts';
import { leftOf, processTree, type Running, runningProcesses } from './process-table.ts';

/** The watch looks twice a second; the rest is for a busy machine. */
const WITHIN_MS = 8_000;
const FAMILY = ['--import', import.meta.resolve('tsx'), resolve(import.meta.dirname, 'family.ts')];

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orphans-'));
  const start = [process.execPath, ...FAMILY].map(word => `'${word}'`).join(' ');
  await writeFile(join(folder, 'package.json'), JSON.stringify({ scripts: { start, ps: `${start} ps` } }));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Family {
  started: ChildProcess;
  /** The process that called startChild. */
  node: number;
  /** All of it: the command, its parents up to the one started here, the child, the grandchildren, the guardian. */
  all: Running[];
}

async function startFamily(command: readonly string[], env: NodeJS.ProcessEnv = withoutNpm()): Promise<Family> {
  const started = spawn(command[0]!, command.slice(1), {
    cwd: folder,
    env,
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const node = await new Promise<number>((done, fail) => {
    started.once('exit', code => fail(new Error(`Expected a family, got exit ${code}`)));
    createInterface({ input: started.stdout! }).on('line', line => {
      const pid = /family of (\d+)/.exec(line)?.[1];
      if (pid !== undefined) done(Number(pid));
    });
  });
  // A shell that says it is ready has forked its child, which may not have become `sleep` yet.
  const all = await vi.waitFor(
    async () => {
      const tree = await processTree(started.pid!);
      expect(tree.filter(({ command }) => command === 'sleep 1000')).toHaveLength(2);
      return tree;
    },
    { timeout: WITHIN_MS },
  );
  return { started, node, all };
}

/** The suite itself runs under npm, which is none of the family's business. */
function withoutNpm(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name)));
}

async function expectNothingLeft({ all }: Family): Promise<void> {
  const left = await leftOf(all, WITHIN_MS);
  for (const { pid } of left) process.kill(pid, 'SIGKILL');
  expect(left).toEqual([]);
}

const node = [process.execPath, ...FAMILY];

/** The program of that name on a Mac takes other options. */
const script = process.platform === 'linux' ? await which('script') : null;
const setpriv = process.platform === 'linux' ? await which('setpriv') : null;

describe.concurrent('nothing is left after', () => {
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGKILL'] as const) {
    test(`${signal} to node`, async () => {
      const family = await startFamily(node);
      process.kill(family.node, signal);
      await expectNothingLeft(family);
    });
  }

  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    test(`${signal} to npm alone`, async () => {
      const family = await startFamily(['npm', 'start']);
      process.kill(family.started.pid!, signal);
      await expectNothingLeft(family);
    });

    test(`${signal} to the group of npm`, async () => {
      const family = await startFamily(['npm', 'start']);
      process.kill(-family.started.pid!, signal);
      await expectNothingLeft(family);
    });
  }

  test('SIGKILL to npm, where the process table is read with ps', async () => {
    const family = await startFamily(['npm', 'run', 'ps']);
    process.kill(family.started.pid!, 'SIGKILL');
    await expectNothingLeft(family);
  });

  test.skipIf(script === null)('a closed terminal', async () => {
    const family = await startFamily(['script', '--quiet', '--flush', '--command', 'npm start', '/dev/null']);
    process.kill(family.started.pid!, 'SIGKILL');
    await expectNothingLeft(family);
  });

  test('SIGKILL to node where there is no parent-death signal', async () => {
    const bin = join(folder, 'bin');
    await mkdir(bin);
    for (const program of ['sh', 'sleep']) await symlink((await which(program))!, join(bin, program));
    const family = await startFamily(node, { ...withoutNpm(), PATH: bin });
    process.kill(family.node, 'SIGKILL');
    await expectNothingLeft(family);
  });

  test('SIGKILL to the guardian, then to node', async ({ expect }) => {
    const family = await startFamily(node);
    const guardians = (all: Running[]) =>
      all.filter(({ ppid, command }) => ppid === family.node && command.includes('groups='));
    const [first] = guardians(family.all);
    process.kill(first!.pid, 'SIGKILL');
    await expect.poll(async () => guardians(await runningProcesses()).map(({ pid }) => pid)).not.toContain(first!.pid);
    await expect.poll(async () => guardians(await runningProcesses()).length).toBe(1);
    family.all.push(...guardians(await runningProcesses()));
    process.kill(family.node, 'SIGKILL');
    await expectNothingLeft(family);
  });
});

test.skipIf(setpriv === null)('the child itself dies even if guardian and parent are killed at once', async () => {
  const family = await startFamily(node);
  const [guardian, child] = ['groups=', 'sleep 1000'].map(
    text => family.all.find(({ ppid, command }) => ppid === family.node && command.includes(text))!,
  );
  process.kill(family.node, 'SIGSTOP');
  process.kill(guardian!.pid, 'SIGKILL');
  process.kill(family.node, 'SIGKILL');
  const left = await leftOf([child!], WITHIN_MS);
  process.kill(-child!.pid, 'SIGKILL');
  expect(left).toEqual([]);
  await expectNothingLeft(family);
});

test('a shell that closes does not end what npm runs', async () => {
  const family = await startFamily(['sh', '-c', 'npm start & wait']);
  process.kill(family.started.pid!, 'SIGKILL');
  expect(
    await leftOf(
      family.all.filter(({ pid }) => pid === family.node),
      1_500,
    ),
  ).toHaveLength(1);
  process.kill(-family.started.pid!, 'SIGKILL');
  await expectNothingLeft(family);
});
