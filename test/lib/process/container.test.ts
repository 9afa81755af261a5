/** Containers of a stand-in for Docker's client: named, labelled, and gone when their command has ended. */
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { removeLeftContainers, runContained } from '../../../lib/process/container.ts';
import { type StandInDocker, standInDocker } from '../../support/docker.ts';

let folder: string;
let docker: StandInDocker;
let command: (...words: string[]) => string[];

beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'container-')));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  docker = await standInDocker(folder);
  const words = docker.caffe.split(' ').slice(0, -1);
  command = (...more) => [...words, ...more];
});

test('runs in the folder, with the variables that are named, and keeps the exit code', async () => {
  const said: string[] = [];
  const exit = await runContained(command('sh', '-c', 'pwd; echo "$ONE-$TWO"; exit 7'), {
    cwd: folder,
    owner: 'x',
    env: { ...process.env, ONE: '1', TWO: '2' },
    variables: ['ONE', 'THREE'],
    onLine: line => said.push(line),
  });
  expect(exit.code).toBe(7);
  expect(said).toEqual([folder, '1-']);
  expect(await docker.containers()).toEqual([]);
});

test('is gone when the command was stopped, however it was', async () => {
  const stop = new AbortController();
  const running = runContained(command('sh', '-c', 'echo begun; sleep 1000'), {
    ...{ cwd: folder, owner: join(folder, 'gpu-1'), labels: { 'retinopathy.attempt': '3' } },
    ...{ signal: stop.signal, stopSignal: 'SIGKILL' },
  });
  await expect.poll(docker.containers).toEqual([
    {
      ...{ 'retinopathy.machine': hostname(), 'retinopathy.owner': join(folder, 'gpu-1') },
      'retinopathy.attempt': '3',
    },
  ]);
  stop.abort();
  await running;
  expect(await docker.containers()).toEqual([]);

  const refused = runContained(command('sh', '-c', 'echo begun; sleep 1000'), {
    owner: 'x',
    onLine: line => {
      throw new Error(line);
    },
  });
  await expect(refused).rejects.toThrow('begun');
  expect(await docker.containers()).toEqual([]);
});

test('what a process left behind is removed, and nothing else', async () => {
  const stop = new AbortController();
  const running = ['left', 'alive'].map(owner =>
    runContained(command('sleep', '1000'), { owner, signal: stop.signal, stopSignal: 'SIGKILL' }),
  );
  await expect.poll(async () => (await docker.containers()).length).toBe(2);
  expect(await removeLeftContainers(command('caffe'), owner => owner === 'left', process.env)).toBe(1);
  expect(await docker.containers()).toMatchObject([{ 'retinopathy.owner': 'alive' }]);
  stop.abort();
  await Promise.all(running);
});

test('any other command is run as it is', async () => {
  const exit = await runContained(['sh', '-c', 'echo plain'], { owner: 'x' });
  expect(exit.tail).toEqual(['plain']);
  expect(await removeLeftContainers(['/opt/caffe', 'train'], () => true, process.env)).toBe(0);
});
