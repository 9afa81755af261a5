import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { getPriority, tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { runChild, startChild } from '../../../lib/process/child-process.ts';
import { leftOf, processTree } from './process-table.ts';

const sh = (script: string) => ['sh', '-c', script];

test('lines of both streams, in order, and the exit code', async () => {
  const lines: string[] = [];
  const exit = await runChild(sh('echo one; echo two >&2; sleep 0.1; printf three; exit 7'), {
    onLine: (line, from) => lines.push(`${from} ${line}`),
  });
  expect(exit).toEqual({ code: 7, signal: null, tail: ['one', 'two', 'three'] });
  expect(lines.sort()).toEqual(['stderr two', 'stdout one', 'stdout three']);
});

test('the tail is the last 200 lines', async () => {
  const { tail } = await runChild(['seq', '1', '5000']);
  expect(tail).toHaveLength(200);
  expect(tail.at(-1)).toBe('5000');
});

test('a child that dies of a signal says which', async () => {
  expect(await runChild(sh('kill -ABRT $$'))).toMatchObject({ code: null, signal: 'SIGABRT' });
});

test('a command that cannot start says so by its own name', async () => {
  const folder = await temporaryFolder();
  await writeFile(join(folder, 'plain'), '');
  await expect(runChild(['no-such-command', 'x'])).rejects.toThrow('Expected no-such-command to start, got ENOENT');
  await expect(runChild(['./plain'], { cwd: folder })).rejects.toThrow('Expected ./plain to start, got EACCES');
  await expect(runChild(['true'], { env: { PATH: folder } })).rejects.toThrow('Expected true to start, got ENOENT');
  await expect(runChild(['true'], { cwd: join(folder, 'gone') })).rejects.toThrow(
    `Expected the folder ${folder}/gone to run true in, got ENOENT`,
  );
  await expect(runChild([])).rejects.toThrow('Expected a command, got an empty list');
});

test('a tool runs at a lower priority than this process, a server at the same', async () => {
  const [tool, server] = [await runChild(['nice']), await (await startChild(['nice'])).exited];
  expect(Number(server.tail[0])).toBe(getPriority());
  expect(Number(tool.tail[0])).toBe(getPriority() + 5);
});

test('a word is a word, whatever is in it', async () => {
  const words = ['', 'a b', '$HOME', '"', "'", '--', '-c', '\n', '*'];
  const { tail } = await runChild([process.execPath, '-p', 'JSON.stringify(process.argv.slice(1))', '--', ...words]);
  expect(JSON.parse(tail.join(''))).toEqual(words);
});

test('the environment is the given one, or this process has; the folder is the given one', async () => {
  const folder = await temporaryFolder();
  process.env.CHILD_PROCESS_TEST = 'ours';
  onTestFinished(() => {
    delete process.env.CHILD_PROCESS_TEST;
  });
  const print = sh('echo "$CHILD_PROCESS_TEST"; pwd -P; ls /proc/self/fd 2>/dev/null | tr "\\n" " "');
  expect((await runChild(print, { cwd: folder })).tail.slice(0, 2)).toEqual(['ours', folder]);
  const env = { PATH: process.env.PATH, CHILD_PROCESS_TEST: 'given' };
  expect((await runChild(print, { env })).tail[0]).toBe('given');
});

test('nothing of the start is left open in the child', async () => {
  const { tail } = await runChild(sh('read x <&3 && echo open'));
  expect(tail.join()).not.toContain('open');
});

test('input is given whole, and one that is not read does no harm', async () => {
  const input = `${'x'.repeat(1_000_000)}\n`;
  expect((await runChild(['wc', '-c'], { input })).tail).toEqual(['1000001']);
  expect((await runChild(['true'], { input })).code).toBe(0);
  expect((await runChild(['cat'])).tail).toEqual([]);
});

test('where a proxy is named, loopback is exempted', async () => {
  const print = sh('echo "$NO_PROXY $no_proxy"');
  const env = { PATH: process.env.PATH, HTTPS_PROXY: 'http://proxy.invalid:1', NO_PROXY: 'example.org' };
  const exempt = 'example.org,localhost,127.0.0.1,::1,[::1]';
  expect((await runChild(print, { env })).tail).toEqual([`${exempt} ${exempt}`]);
  expect((await runChild(print, { env: { PATH: env.PATH, NO_PROXY: 'example.org' } })).tail).toEqual(['example.org ']);
});

test('what is preloaded reaches our own Node processes and no other program', async () => {
  // The loader complains about a library that is not there, and goes on.
  const env = { ...process.env, LD_PRELOAD: '/none/libjemalloc.so.2', LD_AUDIT: '' };
  const said = async (...command: string[]) => (await runChild(command, { env })).tail;
  expect(await said('sh', '-c', 'echo "<$LD_PRELOAD>"')).toEqual(['<>']);
  expect(await said(process.execPath, '-p', 'process.env.LD_PRELOAD')).toContain('/none/libjemalloc.so.2');
});

test('abort sends the stop signal and lets the child end', async () => {
  const stop = new AbortController();
  const exit = await runChild(sh('trap "echo saved; exit 3" INT; echo ready; while :; do sleep 0.05; done'), {
    signal: stop.signal,
    stopSignal: 'SIGINT',
    onLine: () => stop.abort(),
  });
  expect(exit).toEqual({ code: 3, signal: null, tail: ['ready', 'saved'] });
});

test('a child deaf to the stop signal is killed, with its children', async () => {
  const stop = new AbortController();
  const child = await startChild(sh('trap "" TERM; sleep 1001 & sleep 1001 & echo ready; wait; wait'), {
    signal: stop.signal,
    killAfter: 200,
    onLine: () => stop.abort(),
  });
  const tree = await processTree(child.pid);
  expect(await child.exited).toMatchObject({ signal: 'SIGKILL' });
  expect(await leftOf(tree, 3_000)).toEqual([]);
});

test('a signal that was aborted before stops the child too', async () => {
  expect(await runChild(['sleep', '1002'], { signal: AbortSignal.abort() })).toMatchObject({ signal: 'SIGTERM' });
});

test('what a dead child leaves in its group is killed, even if it holds the streams', async () => {
  let left = 0;
  const exit = await runChild(sh('sleep 1003 & echo $!; exit 0'), { onLine: line => (left = Number(line)) });
  expect(exit.code).toBe(0);
  expect(await leftOf([{ pid: left, ppid: 0, command: 'sleep 1003' }], 3_000)).toEqual([]);
});

test('a grandchild that left the group holds nothing up', async () => {
  let left = 0;
  const script = `require('child_process').spawn('sh', ['-c', 'echo $$; exec sleep 1004'], { detached: true, stdio: 'inherit' }).unref()`;
  const child = await startChild([process.execPath, '-e', script], { onLine: line => (left = Number(line)) });
  expect((await child.exited).code).toBe(0);
  await expect.poll(() => left).not.toBe(0);
  process.kill(left, 'SIGKILL');
});

test('what onLine throws kills the child and comes out', async () => {
  const refuse = () => {
    throw new Error('unwanted');
  };
  await expect(runChild(sh('echo x; sleep 1005'), { onLine: refuse })).rejects.toThrow('unwanted');
});

test('kill reaches the group, and is no error afterwards', async () => {
  const child = await startChild(sh('sleep 1006 | sleep 1006'));
  child.kill('SIGTERM');
  expect(await child.exited).toMatchObject({ signal: 'SIGTERM' });
  child.kill('SIGTERM');
});

test('many at once', async () => {
  const exits = await Promise.all(Array.from({ length: 40 }, (_, i) => runChild(sh(`exit ${i}`))));
  expect(exits.map(({ code }) => code)).toEqual(Array.from({ length: 40 }, (_, i) => i));
});

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'child-process-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}
