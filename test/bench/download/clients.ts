/** The clients that are compared: each takes all files of the server at once, into an empty folder or store. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BenchServer } from './kaggle.ts';
import { memoryOf, startProcess, startScript } from './process.ts';
import type { WorkerDone, WorkerSettings } from './worker.ts';

export interface Job {
  server: BenchServer;
  /** An empty folder. */
  folder: string;
  signal: AbortSignal;
}

export interface Taken {
  seconds: number;
  /** CPU seconds, user and system, of the client alone. */
  cpuSeconds: number;
  /** Bytes of memory at the peak; null where the system does not tell. */
  memory: number | null;
  /** Where the files are now: a store's URL and a key for each file, in the server's order. */
  store: string;
  keys: string[];
}

export type Client = (job: Job) => Promise<Taken>;

/** The download of this project, into the store of the given URL. Memory is what the transfer adds to an idle worker. */
export function retinopathy(storeIn: (folder: string) => string): Client {
  return async ({ server, folder, signal }) => {
    const { url: source, competition, token, files } = server;
    const store = storeIn(folder);
    const settings: WorkerSettings = { source, competition, token, files, store };
    let done: WorkerDone | undefined;
    const onLine = (line: string) => {
      if (line.startsWith('{"seconds"')) done = JSON.parse(line) as WorkerDone;
    };
    const env = { ...process.env, NODE_EXTRA_CA_CERTS: server.certificate };
    const { exited } = await startScript('worker.ts', settings, { signal, onLine, env });
    const { tail } = await exited;
    signal.throwIfAborted();
    if (!done) throw new Error(`Expected the worker to take the files, got:\n${tail.join('\n')}`);
    const { parts, ...figures } = done;
    return { ...figures, store, keys: parts.map(({ key }) => key) };
  };
}

const aria2cWith =
  (...more: string[]): Client =>
  async ({ server, folder, signal }) => {
    const names = server.files.map(({ name }) => name);
    const addresses = await server.addresses();
    const list = join(folder, 'addresses');
    await writeFile(list, addresses.map((address, n) => `${address}\n out=${names[n]}\n`).join(''));
    const options = ['--no-conf', '--quiet', '-x16', '-s16', '-j5', `--ca-certificate=${server.certificate}`, ...more];
    return takeWithCommand(['aria2c', ...options, '-d', folder, '-i', list], folder, names, signal);
  };

/** Sixteen connections a file, as people call it: each file is written full of zeros before it comes. */
export const aria2c = aria2cWith();

/** The same at its best: no file is filled beforehand. */
export const aria2cUnfilled = aria2cWith('--file-allocation=none');

/** One connection a file. */
export const curl: Client = async ({ server, folder, signal }) => {
  const names = server.files.map(({ name }) => name);
  const addresses = await server.addresses();
  const files = addresses.flatMap((address, n) => ['-o', join(folder, names[n]!), address]);
  const options = [
    '-q',
    '--silent',
    '--show-error',
    '--fail',
    '--cacert',
    server.certificate,
    '--parallel',
    '--parallel-immediate',
    '--parallel-max',
    String(names.length),
  ];
  return takeWithCommand(['curl', ...options, ...files], folder, names, signal);
};

/** Runs the command, says its process, and at the end the CPU time of what has ended: the shell's own is the first line of `times`. */
const TIMED = '"$@" & echo "pid $!"; wait $!; code=$?; times; exit $code';
const POLL_MS = 20;

async function takeWithCommand(
  command: readonly string[],
  folder: string,
  keys: string[],
  signal: AbortSignal,
): Promise<Taken> {
  let memory: number | null = null;
  let running = true;
  let cpuSeconds = 0;
  let polled = Promise.resolve();
  const poll = async (pid: number) => {
    for (; running; await sleep(POLL_MS)) memory = Math.max(memory ?? 0, (await memoryOf(pid, 'VmHWM')) ?? 0) || null;
  };
  let started = performance.now();
  const { exited } = await startProcess(['/bin/sh', '-c', TIMED, 'sh', ...command], {
    signal,
    onLine(line) {
      const pid = /^pid (\d+)$/.exec(line)?.[1];
      if (pid !== undefined) {
        started = performance.now();
        polled = poll(Number(pid));
      }
      const times = [...line.matchAll(/(\d+)m([\d.]+)s/g)];
      if (times.length === 2) cpuSeconds = times.reduce((sum, [, m, s]) => sum + 60 * Number(m) + Number(s), 0);
    },
  });
  const { code, tail } = await exited;
  const seconds = (performance.now() - started) / 1000;
  running = false;
  await polled;
  signal.throwIfAborted();
  if (code !== 0) throw new Error(`Expected ${command[0]} to end with status 0, got ${code}: ${tail.join(' ')}`);
  return { seconds, cpuSeconds, memory, store: `file:${folder}`, keys };
}
