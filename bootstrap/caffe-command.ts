/** What is called Caffe: how its tools are run, and whether they answer. */
import { basename, dirname, join } from 'node:path';
import type { Caffe } from '../activities/services.ts';
import { runContained } from '../system/container.ts';
import { which } from '../system/which.ts';
import { reasonOf } from './missing-tool.ts';
import { isHaswellOrLater } from './processor.ts';

export type CaffeTool = Parameters<Caffe['command']>[0];

/** The words before a tool's own arguments, e.g. `['/usr/bin/caffe']`. */
export type CaffeCommand = (tool: CaffeTool) => string[];

const TOOLS: readonly CaffeTool[] = ['caffe', 'convert_imageset', 'compute_image_mean'];

/**
 * What every Caffe process needs in its environment.
 * One BLAS thread: two trainings on two cores beat two threads by far, and sums in another order give other bits.
 */
const ENV = { GLOG_logtostderr: '1', OPENBLAS_NUM_THREADS: '1', OMP_NUM_THREADS: '1' };

/** CUDA counts the quickest card first; NVIDIA's own tool, and so RETINOPATHY_GPUS, by the slots they are in. */
const CARD_ORDER = 'CUDA_DEVICE_ORDER';

/**
 * OpenBLAS picks its kernels by the processor, and other kernels give other bits. A run that moves from machine to machine
 * must agree with itself: so the kernels are those that every x86 processor since 2013 can run, unless this setting names
 * others (`SkylakeX` is quicker where all machines have AVX-512). Elsewhere OpenBLAS picks.
 */
const CORE_TYPE = 'OPENBLAS_CORETYPE';
const COMMON_CORE_TYPE = 'Haswell';

/** `caffe` in a folder or in PATH, and its tools beside it. */
export function programCommand(caffe: string): CaffeCommand {
  return tool => [basename(caffe) === caffe ? tool : join(dirname(caffe), tool)];
}

/**
 * The setting CAFFE: a command line that ends in the program `caffe`, whose other tools have their own names in the same
 * place, e.g. `/opt/caffe/build/tools/caffe` or `docker run --gpus all some/image caffe`.
 * @throws when it ends in anything else
 */
export function parseCommand(line: string): CaffeCommand {
  const words = [...line.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(
    ([, double, single, plain]) => double ?? single ?? plain ?? '',
  );
  const last = words.pop();
  if (last === undefined || basename(last) !== 'caffe') {
    throw new Error(`Expected CAFFE to be a command that ends in the program caffe, got \`${line}\``);
  }
  return tool => [...words, ...programCommand(last)(tool)];
}

/**
 * Asks every tool for its version.
 * @param origin where it was found, for the report: `PATH`, `Debian 11`
 * @returns the reason in one line when one does not answer
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
  const fault = answers.find(answer => 'fault' in answer);
  if (fault !== undefined) return fault.fault;
  const [caffe] = answers as { version: string }[];
  // What is found in PATH must not change with the PATH of whoever starts it.
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
  // A first start may have to load hundreds of megabytes from a slow disk.
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
    return { fault: `\`${command.join(' ')} --version\` answered ${outcome}: ${exit.tail.at(-1) ?? 'nothing'}` };
  } catch (error) {
    return { fault: reasonOf(error) };
  }
}
