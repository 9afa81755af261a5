/** What this machine needs for a unit of each kind of work, tried for some seconds: real photographs' sizes, real Caffe. */
import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { preparePicture } from '../activities/images/prepare-picture.ts';
import type { Caffe, GraphicsCard } from '../activities/services.ts';
import { readNetwork } from '../activities/training/inputs.ts';
import { FILES, probeNet } from '../activities/training/network.ts';
import { printPrototxt } from '../activities/training/prototxt.ts';
import { runCaffe } from '../activities/training/run-caffe.ts';
import { probeSolver } from '../activities/training/solver.ts';
import type { PipelineInput } from '../config/input.ts';
import { recordsPerIteration } from '../config/iteration.ts';
import { makePatient } from '../demo/eyes/patients.ts';
import { photographEye } from '../demo/eyes/photograph.ts';
import type { Rates } from './rates.ts';

/** For each of the two kinds of work. */
const PROBE_MS = 8_000;
/** A side of the competition's photographs. */
const WIDTH = 3888;
/** What cannot be tried without the source: a connection of 100 Mbit/s. */
const DOWNLOAD = 12.5e6;
/** Of 256 × 256 pixels, by convert_imageset on one core: it writes 490 to 680. */
const RECORDS_A_SECOND = 400;
/** Records as PNG of 256 × 256 pixels that Caffe's reader takes in, on a core of its own or of the training's. */
const DECODED_A_SECOND = 700;
/** A record of a database beside its picture: LMDB's pages are 4 KiB. */
const PAGE = 2_048;
/** Seconds of the regression a picture: 35,126 take 11 to 15. */
const REGRESSION = 4e-4;
const TURNOVER = 0.3;
const AROUND_SEGMENT = 12_000;

export interface ProbeOptions {
  /** The graphics card to train on; null trains on the CPU. */
  card: GraphicsCard | null;
  /** Trainings side by side, which take from each other what they share: of one card 1. */
  atOnce?: number;
  /** Wall-clock seconds that a made-up eye took to draw. */
  drawing?: number;
  /** For each of the two kinds of work. */
  milliseconds?: number;
}

/** @throws non-retryable `BadNetwork` where Caffe refuses the network */
export async function probe(
  input: PipelineInput,
  caffe: Caffe,
  { card, atOnce = 1, drawing = 0, milliseconds = PROBE_MS }: ProbeOptions,
): Promise<Rates> {
  const pictures = await tryPictures(input, milliseconds);
  const training = await tryTraining(input, caffe, { card, atOnce, milliseconds });
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
    // A card waits for the reader where that is slower, a CPU does the work of both.
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

/** Seconds a photograph takes on one core while the others have theirs, and bytes of one version of it. */
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

/** Made-up ones, as large as those of the source, without end: so many at a time. */
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

/** Seconds of an iteration of the chosen network and of Caffe's start and end, and bytes of a snapshot pair. */
async function tryTraining(
  { training, images }: PipelineInput,
  caffe: Caffe,
  { card, atOnce, milliseconds }: Required<Pick<ProbeOptions, 'card' | 'atOnce' | 'milliseconds'>>,
): Promise<{ iteration: number; around: number; pair: number }> {
  const heads = training.layout === 'four-heads' ? [0, 1, 2, 3] : [0];
  const net = probeNet(
    await readNetwork(training.network),
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
    // Enough of them that they take longer than the start.
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
