/**
 * A GPU worker's cards, and a Caffe in a container: real workers on a real Temporal server. The cards are stand-ins that run the real
 * Caffe on the CPU, the engine is one whose containers are processes of this machine.
 */
import { mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { caffePrograms } from '../support/caffe.ts';
import { eventually, retinopathy } from '../support/command.ts';
import { standInDocker } from '../support/docker.ts';
import { startWorld, type World } from './world.ts';

const LONG = Boolean(process.env.RETINOPATHY_LONG);
const SEGMENT_WITHIN = 120;

let world: World;
let folder: string;
/** Where `nvidia-smi` lists two cards. */
let path: string;

beforeAll(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'gpu-worker-')));
  const cards = '0, GPU-1, Tesla T4, 15360, 7.5\n1, GPU-2, Tesla K80, 11441, 3.7';
  await writeFile(join(folder, 'nvidia-smi'), `#!/bin/sh\necho '${cards}'\n`, { mode: 0o755 });
  path = `${folder}:${process.env.PATH}`;
  world = await startWorld(20);
});

afterAll(async () => {
  await world?.close();
  await rm(folder, { recursive: true, force: true });
});

/**
 * @param name of its folder
 * @param onCard a line of shell that runs where it is told to use a card
 * @returns the setting CAFFE, and the command lines so far
 */
async function caffeWithCards(name: string, onCard = ''): Promise<{ caffe: string; ran(): Promise<string[]> }> {
  const said = join(folder, `${name}.log`);
  const programs = await caffePrograms(
    join(folder, name),
    `echo "$@" >> ${said}
     [ "$1" = device_query ] && exit 0
     for word; do shift; case $word in --gpu=*) ${onCard || ':'} ;; *) set -- "$@" "$word" ;; esac; done`,
  );
  return {
    caffe: join(programs, 'caffe'),
    ran: async () => (await readFile(said, 'utf8')).trim().split('\n'),
  };
}

test('a worker tries its cards, then trains on all of them at once, an activity a card', async () => {
  const { caffe, ran } = await caffeWithCards('two');
  const worker = await world.startGpu('two', { PATH: path, CAFFE: caffe, RETINOPATHY_SLOTS: undefined });
  const tried = (await ran()).filter(line => line.startsWith('train '));
  expect(tried.map(line => line.split(' ').at(-1)).sort()).toEqual(['--gpu=0', '--gpu=1']);
  expect(worker.said('trains on graphics card').map(({ msg }) => msg)).toEqual([
    'trains on graphics card 0: Tesla T4, compute capability 7.5, 15360 MiB',
    'trains on graphics card 1: Tesla K80, compute capability 3.7, 11441 MiB',
  ]);

  const trainings = await Promise.all([31, 32].map(seed => world.startTraining(`two-${seed}`, { seed })));
  await eventually('two segments to train at once', SEGMENT_WITHIN, async () => {
    const now = await Promise.all(trainings.map(training => training.pending()));
    return now.every(pending => pending?.type === 'trainSegment' && pending.running);
  });
  for (const training of trainings) await training.handle.result();
  const work = (await ran()).filter(line => /^(?:train|test) /.test(line)).slice(tried.length);
  // The plan's trial, the segment, its judgement on two folds and two scores, of both.
  expect(work).toHaveLength(12);
  expect(work.filter(line => !/ --gpu=[01]$/.test(line))).toEqual([]);
  const segments = work.filter(line => / --gpu/.test(line) && line.startsWith('train ')).slice(-2);
  expect(new Set(segments.map(line => line.split(' ').at(-1))).size).toBe(2);
  process.kill(worker.pid, 'SIGTERM');
  expect((await worker.exited).code).toBe(0);
});

test('a card that Caffe cannot train on, or no Caffe: one line, and an end before any work', async () => {
  const fatal =
    'F20261123 07:33:05.950682 1 im2col.cu:61] Check failed: error == cudaSuccess (48 vs. 0)  no kernel image';
  const old = await caffeWithCards('old', `[ $word = --gpu=1 ] && echo '${fatal}' >&2 && exit 134`);
  const cases: [NodeJS.ProcessEnv, RegExp][] = [
    [
      { PATH: path, CAFFE: old.caffe },
      /^retinopathy: Expected Caffe to train an iteration on graphics card 1 \(Tesla K80, .*\), got a compute capability/,
    ],
    [{ CAFFE: '/none/caffe' }, /^retinopathy: Expected Caffe, got none: CAFFE is \/none\/caffe, but/],
  ];
  await Promise.all(
    cases.map(async ([env, line], n) => {
      const worker = retinopathy(['worker', 'gpu'], {
        ...{ TEMPORAL_ADDRESS: world.address, RETINOPATHY_STORE: `file:${folder}/store` },
        ...{ RETINOPATHY_SCRATCH: join(folder, `scratch-${n}`), AWS_EC2_METADATA_DISABLED: 'true', ...env },
      });
      expect((await worker.exited).code).toBe(1);
      const said = worker.output().trim().split('\n');
      expect(said.filter(text => text.startsWith('retinopathy: '))).toEqual([expect.stringMatching(line)]);
      expect(worker.output()).not.toMatch(/^\s+at /m);
    }),
  );
});

test('Caffe in a container: labelled; left by a worker that is killed, and removed by the next', async () => {
  const docker = await standInDocker(folder);
  const setting = { CAFFE: docker.caffe };
  const first = await world.startGpu('container', setting);
  const training = await world.startTraining('container', { seed: 41 });
  const [labels] = await eventually('a segment to train', SEGMENT_WITHIN, async () => {
    const containers = await docker.containers();
    return containers[0]?.['retinopathy.activity'] === 'trainSegment' && containers;
  });
  expect(labels).toMatchObject({ 'retinopathy.workflow': 'container', 'retinopathy.attempt': '1' });
  await docker.freeze();
  process.kill(first.pid, 'SIGKILL');
  await first.exited;
  expect(await docker.containers()).toEqual([labels]);

  const second = await world.startGpu('container', setting);
  expect(second.said('containers of a worker that was killed')).toHaveLength(1);
  // The server finds out by the heartbeats that the first is gone: that takes its time.
  if (LONG) {
    await training.handle.result();
    expect((await docker.ran()).filter(line => line.includes('caffe test'))).toHaveLength(4);
  }
  process.kill(second.pid, 'SIGTERM');
  expect((await second.exited).code, second.output()).toBe(0);
  expect(await docker.containers()).toEqual([]);
});
