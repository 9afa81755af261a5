/** Caffe's commands: parses them, sets their environment and verifies that every tool answers. */

import { readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { runContained } from '../process/container.ts';
import { which } from '../process/which.ts';
import { quote } from '../quote.ts';
import { reasonOf } from './missing-tool.ts';

/** A working Caffe: its command, version and environment. */
export interface Caffe {
  /** Returns the command line of a tool: `command('caffe', ['train', …])` → `['/…/ld-2.31.so', '--library-path', …]`. */
  command(tool: 'caffe' | 'convert_imageset' | 'compute_image_mean', args: readonly string[]): string[];
  /** `caffe version 1.0.0 (Debian 11)`, for the report and the log. */
  version: string;
  /** Variables that the command needs beside the worker's own environment. */
  env: Record<string, string>;
}

export type CaffeTool = Parameters<Caffe['command']>[0];

/** Returns the words before a tool's own arguments, e.g. `['/usr/bin/caffe']`. */
export type CaffeCommand = (tool: CaffeTool) => string[];

const TOOLS: readonly CaffeTool[] = ['caffe', 'convert_imageset', 'compute_image_mean'];

/**
 * Variables that every Caffe process needs.
 * One BLAS thread: two trainings on two cores beat two threads by far. A different order of sums also gives different bits.
 */
const ENV = { GLOG_logtostderr: '1', OPENBLAS_NUM_THREADS: '1', OMP_NUM_THREADS: '1' };

/** By default CUDA numbers the fastest GPU first. `nvidia-smi`, and so RETINOPATHY_GPUS, numbers GPUs by slot. */
const CARD_ORDER = 'CUDA_DEVICE_ORDER';

/**
 * OpenBLAS picks its kernels by the processor, and different kernels give different bits. A run that moves between machines
 * must give the same results. So the kernels are those that every x86 server since 2013 can run. This setting names others:
 * `SkylakeX` is faster when all machines have AVX-512. On other processors OpenBLAS picks.
 */
const CORE_TYPE = 'OPENBLAS_CORETYPE';
const COMMON_CORE_TYPE = 'Haswell';

/** Returns the command of a `caffe` in a folder or in PATH. Its other tools are beside it. */
export function programCommand(caffe: string): CaffeCommand {
  return tool => [basename(caffe) === caffe ? tool : join(dirname(caffe), tool)];
}

/**
 * Parses the setting CAFFE: a command line that ends in the program `caffe`, e.g. `/opt/caffe/build/tools/caffe` or
 * `docker run --gpus all some/image caffe`. The other tools replace its last word, under their own names in the same place.
 * @throws Error when it ends in any other word
 */
export function parseCommand(line: string): CaffeCommand {
  const words = [...line.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(
    ([, double, single, plain]) => double ?? single ?? plain ?? '',
  );
  const last = words.pop();
  if (last === undefined || basename(last) !== 'caffe') {
    throw new Error(`Expected CAFFE to be a command that ends in the program caffe, got \`${quote(line)}\``);
  }
  return tool => [...words, ...programCommand(last)(tool)];
}

/**
 * Asks every tool for its version.
 * @param origin origin of the command, for the report: `PATH`, `Debian 11`
 * @returns the Caffe, or a one-line reason when a tool does not answer
 * @throws the reason of `signal`, when that has aborted the search
 */
export async function verifyCaffe(
  command: CaffeCommand,
  origin: string,
  env: NodeJS.ProcessEnv,
  signal?: AbortSignal,
): Promise<Caffe | string> {
  const kernels = env[CORE_TYPE] || ((await isHaswellOrLater()) ? COMMON_CORE_TYPE : undefined);
  const order = { [CARD_ORDER]: env[CARD_ORDER] || 'PCI_BUS_ID' };
  const caffeEnv = { ...ENV, ...order, ...(kernels && { [CORE_TYPE]: kernels }) };
  const answers = await Promise.all(
    TOOLS.map(tool => askVersion(command(tool), tool, { ...env, ...caffeEnv }, signal)),
  );
  signal?.throwIfAborted();
  const fault = answers.find(answer => 'fault' in answer);
  if (fault !== undefined) return fault.fault;
  const [caffe] = answers as { version: string }[];
  // The path becomes absolute, so that a process with another PATH starts the same program.
  const [program = '', ...rest] = command('caffe');
  const absolute =
    rest.length === 0 && basename(program) === program
      ? programCommand((await which(program, env.PATH)) ?? program)
      : command;
  return {
    command: (tool, args) => [...absolute(tool), ...args],
    version: `${caffe!.version} (${origin})`,
    env: caffeEnv,
  };
}

async function askVersion(
  command: readonly string[],
  tool: CaffeTool,
  env: NodeJS.ProcessEnv,
  signal?: AbortSignal,
): Promise<{ version: string } | { fault: string }> {
  // The first start may load hundreds of megabytes from a slow disk.
  const limit = AbortSignal.timeout(60_000);
  try {
    const exit = await runContained([...command, '--version'], {
      env,
      owner: 'version',
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
    });
    const version = exit.tail.find(line => new RegExp(`^${tool}(\\.bin)?( version .+)?$`).test(line));
    if (exit.code === 0 && version !== undefined) return { version };
    const outcome = exit.signal ?? `exit ${exit.code}`;
    // A tree's command is quoted by its program alone, because its list of libraries is long.
    const said = command.includes('--library-path') ? command.at(-1)! : command.join(' ');
    return {
      fault: `\`${quote(said, 200)} --version\` answered ${outcome}: ${quote(exit.tail.at(-1) ?? 'nothing', 200)}`,
    };
  } catch (error) {
    return { fault: reasonOf(error) };
  }
}

/** Returns whether this processor has the instructions of Intel's Haswell (2013), as any x86 server since then; false if unknown. */
export async function isHaswellOrLater(): Promise<boolean> {
  if (process.arch !== 'x64') return false;
  const told = await readFile('/proc/cpuinfo', 'utf8').catch(() => '');
  const flags = /^flags\s*:(.*)$/m.exec(told)?.[1]?.split(' ') ?? [];
  return ['avx2', 'fma'].every(flag => flags.includes(flag));
}
