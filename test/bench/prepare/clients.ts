/** Those that are compared. Each takes all pictures once. */
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ArchivePart } from '../../../activities/zip/virtual-file.ts';
import { runChild } from '../../../lib/process/child-process.ts';
import { type PythonEnvironment, pythonWith } from '../../support/python-environment.ts';
import type { WorkerDone, WorkerJob } from './worker.ts';

export interface World {
  /** Folder of the bench, with JPEGs in `pictures`. */
  folder: string;
  names: string[];
  store: string;
  parts: ArchivePart[];
  signal: AbortSignal;
  report(line: string): void;
}

export interface Taken {
  seconds: number;
  /** Pictures that were prepared in them. */
  pictures: number;
  /** CPU seconds, user and system. */
  cpuSeconds: number;
  /** Seconds of these for opening the archive. */
  opening?: number;
}

let places = 0;

/** This project: unzipping, CRC and tar included. */
export async function prepareHere(world: World): Promise<Taken> {
  const prefix = `stages/bench/${++places}`;
  return runWorker(world, { prefix, unzipTo: null });
}

/** Only its unzipping, into files. */
export async function unzipHere(world: World): Promise<Taken> {
  return inFolder(world, folder => runWorker(world, { prefix: `stages/bench/${++places}`, unzipTo: folder }));
}

async function runWorker(world: World, what: Pick<WorkerJob, 'prefix' | 'unzipTo'>): Promise<Taken> {
  const { store, parts, names, signal } = world;
  const job: WorkerJob = { store, parts, pictures: names.length, ...what };
  const script = fileURLToPath(new URL('worker.ts', import.meta.url));
  let done: WorkerDone | undefined;
  const { tail } = await runChild(
    [process.execPath, '--import', import.meta.resolve('tsx'), script, JSON.stringify(job)],
    {
      signal,
      onLine: line => {
        if (line.startsWith('{"seconds"')) done = JSON.parse(line) as WorkerDone;
      },
    },
  );
  signal.throwIfAborted();
  if (!done) throw new Error(`Expected the worker to prepare the pictures, got:\n${tail.join('\n')}`);
  return { ...done, pictures: names.length };
}

/** The post's line, and the same with each of the three turns. */
const LINE = '-fuzz 15% -trim -resize 256x256 -background black -gravity center -extent 256x256'.split(' ');
const TURNS = { a: [], r: ['-rotate', '180'], fa: ['-flop'], fr: ['-rotate', '180', '-flop'] };

/** `convert` four times a picture, as in 2015; of the first pictures only: it takes its time. */
export function convert2015(program: string, most: number) {
  return async (world: World): Promise<Taken> =>
    inFolder(world, async folder => {
      const names = world.names.slice(0, most);
      const began = performance.now();
      let cpuSeconds = 0;
      for (const name of names) {
        for (const [version, turn] of Object.entries(TURNS)) {
          const jpeg = join(world.folder, 'pictures', `${name}.jpeg`);
          const command = [program, jpeg, ...LINE, ...turn, join(folder, `${name}.${version}.png`)];
          cpuSeconds += (await succeed(world, command)).cpuSeconds;
        }
      }
      return { seconds: (performance.now() - began) / 1000, pictures: names.length, cpuSeconds };
    });
}

/** OpenCV at its pinned version. */
export const OPENCV: PythonEnvironment = {
  what: 'OpenCV',
  name: 'opencv-4.14.0.94',
  requirements: fileURLToPath(new URL('opencv.requirements.txt', import.meta.url)),
  modules: ['cv2', 'numpy'],
};

/** @throws MissingToolError where Python is missing */
export async function opencv({ report, signal }: Pick<World, 'report' | 'signal'>) {
  const python = await pythonWith(OPENCV, { report, signal });
  const script = fileURLToPath(new URL('opencv.py', import.meta.url));
  return async (world: World): Promise<Taken> =>
    inFolder(world, async folder => {
      const command = [python, script, String(availableParallelism()), join(world.folder, 'pictures'), folder];
      const { tail } = await succeed(world, command);
      const [seconds, cpuSeconds] = tail.at(-1)!.split(' ').map(Number) as [number, number];
      const made = (await readdir(folder)).length;
      if (made !== 4 * world.names.length) throw new Error(`Expected OpenCV to write four PNGs a picture, got ${made}`);
      return { seconds, pictures: world.names.length, cpuSeconds };
    });
}

/** `7z x` from the first part on. */
export async function sevenZip(world: World): Promise<Taken> {
  return inFolder(world, async folder => {
    const first = join(new URL(world.store).pathname, world.parts[0]!.key);
    const began = performance.now();
    const { cpuSeconds } = await succeed(world, ['7z', 'x', '-y', `-o${folder}`, first]);
    return { seconds: (performance.now() - began) / 1000, pictures: world.names.length, cpuSeconds };
  });
}

/** What `convert` makes of the first picture's version as is, for comparison. */
export async function convertOne(world: World, program: string, jpeg: string): Promise<Buffer> {
  return inFolder(world, async folder => {
    const png = join(folder, 'one.png');
    await succeed(world, [program, jpeg, ...LINE, png]);
    return readFile(png);
  });
}

/** The shell's `times` tells the CPU time of what it ran; the last line of its output: user and system, in minutes and seconds. */
const TIMED = ['sh', '-c', '"$@"; code=$?; times; exit $code', 'sh'];

async function succeed({ signal }: World, command: string[]): Promise<{ tail: string[]; cpuSeconds: number }> {
  const { code, tail } = await runChild([...TIMED, ...command], { signal, stopSignal: 'SIGKILL' });
  signal.throwIfAborted();
  const told = tail.slice(0, -2);
  if (code !== 0)
    throw new Error(`Expected ${command[0]} to end with status 0, got ${code}: ${told.slice(-3).join(' / ')}`);
  const spent = [...tail.at(-1)!.matchAll(/(\d+)m([\d.]+)s/g)];
  return { tail: told, cpuSeconds: spent.reduce((sum, [, m, s]) => sum + 60 * Number(m) + Number(s), 0) };
}

async function inFolder<Result>(world: World, work: (folder: string) => Promise<Result>): Promise<Result> {
  const folder = join(world.folder, `taken-${++places}`);
  await mkdir(folder);
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
