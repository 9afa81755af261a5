/** Measures this machine's time for each unit of work, in some seconds. The images have a realistic size, and Caffe is the real one. */
import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { FILES, probeNet } from '../../activities/caffe/network.ts';
import { printPrototxt } from '../../activities/caffe/prototxt.ts';
import { runCaffe } from '../../activities/caffe/run-caffe.ts';
import { probeSolver } from '../../activities/caffe/solver.ts';
import type { GraphicsCard } from '../../activities/dependencies.ts';
import { preparePicture } from '../../activities/images/prepare-picture.ts';
import { readNetwork } from '../../activities/training/inputs.ts';
import type { PipelineInput } from '../../config/input.ts';
import { recordsPerIteration } from '../../config/training.ts';
import type { Caffe } from '../../lib/tools/caffe-command.ts';
import { makePatient } from '../../synthetic/eyes/patients.ts';
import { photographEye } from '../../synthetic/eyes/photograph.ts';
import type { Rates } from './rates.ts';

/** Duration of each of the two measurements. */
const PROBE_MS = 8_000;
/** Width of the competition's images in pixels. */
const WIDTH = 3888;
/** Bytes per second. Not measurable without the source, so a connection of 100 Mbit/s is assumed. */
const DOWNLOAD = 12.5e6;
/** Records of 256 × 256 pixels, by convert_imageset on one core: it writes 490 to 680. */
const RECORDS_A_SECOND = 400;
/** PNG records of 256 × 256 pixels that Caffe's reader decodes, on its own core or on the training's. */
const DECODED_A_SECOND = 700;
/** Bytes of a database record beside its image. LMDB's pages are 4 KiB. */
const PAGE = 2_048;
/** Seconds of the regression per image: 35,126 take 11 to 15. */
const REGRESSION = 4e-4;
const TURNOVER = 0.3;
const AROUND_SEGMENT = 12_000;

export interface ProbeOptions {
  /** Environment that says which files may be read. */
  env: NodeJS.ProcessEnv;
  /** The GPU to train on; null trains on the CPU. */
  card: GraphicsCard | null;
  /** Number of trainings side by side, which compete for shared resources. 1 on a GPU. */
  atOnce?: number;
  /** Wall-clock seconds that drawing one synthetic eye took. */
  drawing?: number;
  /** Duration of each of the two measurements. */
  milliseconds?: number;
}

/** Measures the rates of this machine. @throws non-retryable `BadNetwork` when Caffe refuses the network */
export async function probe(
  input: PipelineInput,
  caffe: Caffe,
  { env, card, atOnce = 1, drawing = 0, milliseconds = PROBE_MS }: ProbeOptions,
): Promise<Rates> {
  const pictures = await tryPictures(input, milliseconds);
  const training = await tryTraining(input, caffe, { env, card, atOnce, milliseconds });
  const encoded = input.training.encoded === 'auto' ? card === null : input.training.encoded;
  const decoding = encoded ? (input.images.size / 256) ** 2 / DECODED_A_SECOND : 0;
  const records = recordsPerIteration(input.training);
  return {
    from: `a probe of this machine's ${card ? `graphics card ${card.number}${card.about && ` (${card.about})`}` : 'CPU'}`,
    trainedOn: card ? 'gpu' : 'cpu',
    size: input.images.size,
    drawing,
    download: input.source === 'synthetic' || input.source.startsWith('file:') ? 100e6 : DOWNLOAD,
    preparing: pictures.seconds,
    labelling: 1 / RECORDS_A_SECOND,
    // A GPU waits for a reader that is slower. A CPU does the work of both.
    iteration: card ? Math.max(training.iteration, records * decoding) : training.iteration + records * decoding,
    aroundSegment: training.around,
    judging: { record: training.iteration / 3 / records + decoding, around: training.around },
    turnover: TURNOVER,
    regression: REGRESSION,
    bytes: {
      version: pictures.bytes + 1_024,
      record: encoded ? pictures.bytes + PAGE : 3 * input.images.size ** 2 + 2 * PAGE,
      pair: training.pair,
      aroundSegment: AROUND_SEGMENT,
    },
  };
}

/** Measures the seconds per image on one core while the other cores are busy, and the bytes of one version. */
async function tryPictures(input: PipelineInput, milliseconds: number): Promise<{ seconds: number; bytes: number }> {
  sharp.concurrency(1);
  const cores = availableParallelism();
  let [pictures, seconds, bytes] = [0, 0, 0];
  const started = Date.now();
  for await (const jpegs of photographs(input, cores)) {
    const from = performance.now();
    const prepared = await Promise.all(jpegs.map(jpeg => preparePicture(jpeg, input.images)));
    seconds += (cores * (performance.now() - from)) / 1000;
    pictures += prepared.length;
    for (const { pngs } of prepared) bytes += pngs.reduce((sum, png) => sum + png.bytes.length, 0) / pngs.length;
    if (Date.now() - started >= milliseconds) break;
  }
  return { seconds: seconds / pictures, bytes: bytes / pictures };
}

/** Yields synthetic images, as large as those of the source, in batches of `count`, without end. */
async function* photographs(
  { source, synthetic }: Pick<PipelineInput, 'source' | 'synthetic'>,
  count: number,
): AsyncGenerator<Buffer[]> {
  let jpegs: Buffer[] = [];
  for (let n = 0; ; n++) {
    const patient = makePatient(synthetic.seed, n, synthetic.stages);
    for (const eye of patient.eyes) {
      const drawn = await photographEye(synthetic.seed, patient, eye);
      jpegs.push(
        source === 'synthetic' ? drawn : await sharp(drawn).resize({ width: WIDTH }).jpeg({ quality: 92 }).toBuffer(),
      );
      if (jpegs.length < count) continue;
      yield jpegs;
      jpegs = [];
    }
  }
}

/** Measures the seconds of an iteration and of Caffe's start and end, with the chosen network. Also measures a snapshot's bytes. */
async function tryTraining(
  { training, images }: PipelineInput,
  caffe: Caffe,
  { env, card, atOnce, milliseconds }: Required<Pick<ProbeOptions, 'env' | 'card' | 'atOnce' | 'milliseconds'>>,
): Promise<{ iteration: number; around: number; pair: number }> {
  const heads = training.layout === 'four-heads' ? [0, 1, 2, 3] : [0];
  const net = probeNet(
    await readNetwork(training.network, env),
    { heads, batch: training.batch, classWeights: false },
    images.size,
  );
  const folder = await mkdtemp(join(tmpdir(), 'retinopathy-probe-'));
  try {
    const places = Array.from({ length: atOnce }, (_, n) => join(folder, String(n)));
    for (const place of places) {
      await mkdir(join(place, 'snapshot'), { recursive: true });
      await writeFile(join(place, FILES.net), printPrototxt(net));
    }
    const signal = new AbortController().signal;
    const args = ['train', `--solver=${FILES.solver}`, ...(card ? [`--gpu=${card.number}`] : [])];
    const run = async (iterations: number) => {
      const solver = probeSolver().with('max_iter', iterations).with('snapshot_after_train', true);
      await Promise.all(places.map(place => writeFile(join(place, FILES.solver), printPrototxt(solver))));
      const from = performance.now();
      await Promise.all(places.map(cwd => runCaffe('caffe', args, { caffe, cwd, signal, onEvent: () => {} })));
      return (performance.now() - from) / 1000;
    };
    const one = await run(1);
    // Enough iterations to take longer than the start.
    let [iterations, many] = [2, await run(2)];
    while (many - one < 1 && many < milliseconds / 2000) {
      iterations *= 4;
      many = await run(iterations);
    }
    const iteration = Math.max(1e-4, (many - one) / (iterations - 1));
    const sizes = await Promise.all(
      (['caffemodel', 'solverstate'] as const).map(kind => stat(join(places[0]!, FILES.snapshot(1, kind)))),
    );
    return {
      iteration: iteration * training.accumulate,
      around: Math.max(0, one - iteration),
      pair: sizes.reduce((sum, { size }) => sum + size, 0),
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
