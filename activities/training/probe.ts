/** Lets Caffe itself try a network on noise, before there is a picture or a graphics card: what it refuses is said at once. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { finalFailure } from '../failures.ts';
import type { ActivityServices } from '../services.ts';
import type { Cards } from './cards.ts';
import { pathOf, stated, type TrainingInputs } from './inputs.ts';
import { testNet } from './judging-net.ts';
import { FILES, probeNet } from './network.ts';
import { printPrototxt } from './prototxt.ts';
import { CaffeError, DAMAGED_SNAPSHOT, runCaffe } from './run-caffe.ts';
import { probeSolver } from './solver.ts';
import type { TrainingArgs } from './types.ts';
import { inWorkspace, placeClassWeights } from './workspace.ts';

/** What Caffe says of a graphics card says nothing of the network. */
const NOT_THE_CARD = /^(?!.*(?:cuda|cublas|cudnn|curand|Failed to allocate \d+ bytes))/i;
/** Two records: batch normalisation of one alone says little. */
const RECORDS = 2;

/**
 * One iteration, forward and backward, from the weights that the training starts from.
 * @throws non-retryable `BadNetwork` with Caffe's reason
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
    const start = weights === null ? [] : [`--weights=${pathOf(weights)}`];
    const options = { caffe, cwd: folder, signal, onEvent: () => {}, final: NOT_THE_CARD };
    await cards
      .use(card => runCaffe('caffe', ['train', `--solver=${FILES.solver}`, ...start, ...card], options))
      .catch(error => {
        if (!(error instanceof CaffeError && error.code === DAMAGED_SNAPSHOT)) throw error;
        throw finalFailure(
          'BadInput',
          `Expected \`training.weights\` to be a caffemodel, got a damaged one: ${weights}`,
          error,
        );
      });
  });
}
