/** Trains a tiny network for one iteration before a worker takes work, and reports problems of Caffe or the GPU in one line. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { quote } from '../../lib/quote.ts';
import { type ActivityServices, type GraphicsCard, inWorkspace } from '../dependencies.ts';
import { FILES } from './network.ts';
import { message, printPrototxt } from './prototxt.ts';
import { runCaffe } from './run-caffe.ts';
import { probeSolver } from './solver.ts';

/** Long enough for a Caffe without code for the GPU, which may first have to compile all of it from PTX. */
const PATIENCE_MS = 10 * 60_000;

/** GPU problems: pattern of Caffe's F line, which quotes CUDA's own message; the problem; the advice. */
const TROUBLES: [RegExp, string, string][] = [
  [
    /CPU-only Caffe/,
    'a Caffe that was built without CUDA',
    'set CAFFE to one with it, or RETINOPATHY_GPUS to none to train on the CPU',
  ],
  [
    /no CUDA-capable device|driver version is insufficient|unknown error|initialization error|system not yet initialized/,
    'no device that CUDA can use',
    "look whether nvidia-smi shows it and its driver is new enough for this Caffe's CUDA; a container needs `--gpus all`",
  ],
  [/invalid device ordinal/, 'no card of that number', 'set RETINOPATHY_GPUS to those that are there'],
  [
    /no kernel image|invalid device function|ARCH_MISMATCH|device kernel image is invalid|PTX/,
    'a compute capability that this Caffe has no code for',
    'use a Caffe that was built for it (CUDA_ARCH_BIN), or leave the card out with RETINOPATHY_GPUS',
  ],
  [
    /out of memory|Failed to allocate \d+ bytes|ALLOC_FAILED/,
    'no memory on it',
    'look with nvidia-smi who uses it, or leave the card out with RETINOPATHY_GPUS',
  ],
  [
    /devices? (?:\(s\) is\/)?are busy|busy or unavailable/,
    'a card that another process holds for itself',
    'end that process, or leave the card out with RETINOPATHY_GPUS',
  ],
];

/** Has a convolution because it needs more of a GPU than a matrix product: cuDNN, and workspace memory. */
const NET = message({
  name: 'trial',
  layer: [
    {
      ...{ name: 'data', type: 'DummyData', top: ['data', 'label'] },
      dummy_data_param: {
        shape: [{ dim: [2, 3, 32, 32] }, { dim: 2 }],
        data_filler: [
          { type: 'gaussian', std: 1 },
          { type: 'constant', value: 1 },
        ],
      },
    },
    {
      ...{ name: 'conv', type: 'Convolution', bottom: 'data', top: 'conv' },
      convolution_param: { num_output: 8, kernel_size: 3, weight_filler: { type: 'xavier' } },
    },
    {
      ...{ name: 'score', type: 'InnerProduct', bottom: 'conv', top: 'score' },
      inner_product_param: { num_output: 2, weight_filler: { type: 'xavier' } },
    },
    { name: 'loss', type: 'SoftmaxWithLoss', bottom: ['score', 'label'], top: 'loss' },
  ],
});

/**
 * Trains one iteration of a tiny network.
 * @param card null trains on the CPU
 * @throws Error with one line for the user
 */
export async function tryOut(services: ActivityServices, card: GraphicsCard | null): Promise<void> {
  const caffe = await services.caffe();
  const fatal: string[] = [];
  let done = false;
  await inWorkspace(services, 'trial', async folder => {
    await mkdir(join(folder, 'snapshot'));
    await writeFile(join(folder, FILES.net), printPrototxt(NET));
    await writeFile(join(folder, FILES.solver), printPrototxt(probeSolver()));
    const chosen = card === null ? [] : [`--gpu=${card.number}`];
    await runCaffe('caffe', ['train', `--solver=${FILES.solver}`, ...chosen], {
      caffe,
      cwd: folder,
      signal: AbortSignal.timeout(PATIENCE_MS),
      onEvent: event => {
        if (event.kind === 'fatal') fatal.push(event.message);
        if (event.kind === 'done') done = true;
      },
    }).catch((error: Error) => {
      throw new Error(fault(card, quote(fatal[0] ?? error.message, 300)));
    });
    // Exit code 0 alone does not prove success.
    if (!done) throw new Error(fault(card, 'an end with code 0 before its first iteration'));
  });
}

/** Returns whether this Caffe was built without CUDA. */
export async function lacksCuda(services: Pick<ActivityServices, 'caffe' | 'scratch'>): Promise<boolean> {
  const caffe = await services.caffe();
  let lacks = false;
  await inWorkspace(services, 'trial', folder =>
    runCaffe('caffe', ['device_query', '--gpu=0'], {
      caffe,
      cwd: folder,
      signal: AbortSignal.timeout(PATIENCE_MS),
      onEvent: event => {
        lacks ||= event.kind === 'fatal' && /CPU-only Caffe/.test(event.message);
      },
      // Only a missing CUDA counts here, so other problems of a GPU are ignored.
    }).catch(() => {}),
  );
  return lacks;
}

function fault(card: GraphicsCard | null, said: string): string {
  const where = card === null ? 'the CPU' : `graphics card ${card.number}${card.about && ` (${card.about})`}`;
  const [, what, advice] = TROUBLES.find(([pattern]) => card !== null && pattern.test(said)) ?? [];
  const got = what === undefined ? `\`${said}\`` : `${what} (\`${said}\`): ${advice}`;
  return `Expected Caffe to train an iteration on ${where}, got ${got}`;
}
