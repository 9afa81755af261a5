/** Runs a network in Caffe on noise, before training, to report early what Caffe rejects. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { quote } from '../../lib/quote.ts';
import { testNet } from '../caffe/inference-net.ts';
import { FILES, probeNet } from '../caffe/network.ts';
import { printPrototxt } from '../caffe/prototxt.ts';
import { CaffeError, type Cards, DAMAGED_SNAPSHOT, runCaffe } from '../caffe/run-caffe.ts';
import { probeSolver } from '../caffe/solver.ts';
import { type ActivityServices, inWorkspace } from '../dependencies.ts';
import { finalFailure } from '../failures.ts';
import { stated, type TrainingInputs } from './inputs.ts';
import type { TrainingArgs } from './types.ts';
import { placeClassWeights, placeWeights } from './workspace.ts';

/** Excludes Caffe's GPU errors, which do not prove that the network is wrong. */
const NOT_THE_CARD = /^(?!.*(?:cuda|cublas|cudnn|curand|Failed to allocate \d+ bytes))/i;
/** Two records, because batch normalization of a single one is a poor test. */
const RECORDS = 2;

/**
 * Trains one iteration, forward and backward, from the initial weights of the training.
 * @throws non-retryable `BadNetwork` with Caffe's reason; `BadInput` if Caffe cannot read the weights
 */
export async function probeNetwork(
  services: ActivityServices,
  cards: Cards,
  inputs: TrainingInputs,
  { images: { size }, training: { weights } }: Pick<TrainingArgs, 'images' | 'training'>,
  signal: AbortSignal,
): Promise<void> {
  const net = stated(() => {
    testNet(inputs.template, inputs.options);
    return probeNet(inputs.template, { ...inputs.options, batch: RECORDS }, size);
  });
  const caffe = await services.caffe();
  await inWorkspace(services, 'probe', async folder => {
    await mkdir(join(folder, 'snapshot'));
    await placeClassWeights(inputs, folder);
    await writeFile(join(folder, FILES.net), printPrototxt(net));
    await writeFile(join(folder, FILES.solver), printPrototxt(probeSolver()));
    if (weights !== null) await placeWeights(weights, services.env, join(folder, FILES.weights));
    const start = weights === null ? [] : [`--weights=${FILES.weights}`];
    const options = { caffe, cwd: folder, signal, onEvent: () => {}, final: NOT_THE_CARD };
    await cards
      .use(card => runCaffe('caffe', ['train', `--solver=${FILES.solver}`, ...start, ...card], options))
      .catch(error => {
        if (!(error instanceof CaffeError && error.code === DAMAGED_SNAPSHOT)) throw error;
        throw finalFailure(
          'BadInput',
          `Expected \`training.weights\` to be a caffemodel, got a damaged one: ${quote(weights, 200)}`,
          error,
        );
      });
  });
}
