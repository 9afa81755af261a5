/**
 * Training by the pipeline beside `caffe train` by hand, with the same net, data and number of iterations, in turn; four heads beside
 * one split; and how fast databases are built. The pipeline is the real one: Temporal's dev server and the workers of `npm start`.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import pino from 'pino';
import type { TrainingArgs } from '../../activities/training/types.ts';
import { startEmbedded } from '../../cli/local/local-cluster.ts';
import { choosePort } from '../../cli/local/ports.ts';
import { openOutFolder } from '../../cli/local/run-dir.ts';
import { type PipelineInput, pipelineInputSchema } from '../../config/input.ts';
import { whole } from '../../lib/format.ts';
import { findTemporalCli } from '../../lib/tools/temporal-cli.ts';
import { openServices, type WorkerServices } from '../../workers/services.ts';
import { trainingName } from '../../workflows/ids.ts';
import { count } from './support/numbers.ts';
import { stoppable } from './support/stoppable.ts';
import { trainBare } from './train/bare.ts';
import { trainChain } from './train/chain.ts';
import { buildDatabases, prepareEyes, repeatEyes } from './train/data.ts';
import { printed, printedDatabases, type Round } from './train/tables.ts';

interface Options {
  seconds: number;
  rounds: number;
  network: 'small' | 'googlenet';
  size: number;
  only?: 'databases';
  quick?: boolean;
}

/** Different patients; more records are the same eyes under other names. */
const PATIENTS = 30;
const SEGMENTS = 2;
/** Held out: enough for a judgement that is not empty. */
const HELD_OUT = 0.04;
const CALIBRATION_ITERATIONS = 10;
/** Of the eyes, where nothing is trained on them. */
const COPIES = 16;

/** @param args options of `npm run bench train` */
export async function bench(args: readonly string[]): Promise<void> {
  const options = readOptions(args);
  await stoppable(signal => run(options, signal));
}

function readOptions(args: readonly string[]): Options {
  const options = new Command('npm run bench train --')
    .description('training beside caffe train by hand, four heads beside one split, and building databases')
    .option('--seconds <n>', 'length of a segment, about', count, 60)
    .option('--rounds <n>', 'measurements of each', count, 3)
    .addOption(new Option('--network <name>', 'what is trained').choices(['small', 'googlenet']).default('small'))
    .option('--size <pixels>', 'side of the pictures', count, 256)
    .addOption(new Option('--only <part>', 'one part alone').choices(['databases']))
    .option('--quick', 'to try it: one round with segments of five seconds')
    .allowExcessArguments(false)
    .exitOverride()
    .parse(args, { from: 'user' })
    .opts<Options>();
  return options.quick ? { ...options, seconds: 5, rounds: 1 } : options;
}

async function run(options: Options, signal: AbortSignal): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'bench-train-'));
  const report = (line: string) => process.stderr.write(`${line}\n`);
  const out = await openOutFolder(join(folder, 'out'));
  const store = `file:${join(folder, 'store')}`;
  const log = pino({ level: 'warn' }, pino.destination(2));
  const env = { ...process.env, RETINOPATHY_STORE: store, RETINOPATHY_SCRATCH: join(folder, 'scratch') };
  const { path: temporal } = await findTemporalCli({ report });
  const embedded = await startEmbedded({
    ...{ temporal, out, store },
    port: await choosePort(undefined, 0, '--port'),
    uiPort: await choosePort(undefined, 0, '--ui-port'),
  });
  let services: WorkerServices | undefined;
  try {
    services = await openServices('bench', log, env);
    const input = inputOf(options);
    report('drawing and preparing eyes');
    await embedded.startWorkers(['workflow', 'cpu', 'gpu']);
    const eyes = await prepareEyes(embedded, input, signal);

    if (options.only) {
      const stage = await buildDatabases(services, await repeatEyes(services.store, eyes, COPIES), input);
      signal.throwIfAborted();
      process.stdout.write(
        `\n${printedDatabases(stage).join('\n')}\n\nPictures of ${options.size} pixels; ${availableParallelism()} cores.\n`,
      );
      return;
    }

    const perEye = 4;
    const few = await buildDatabases(services, await repeatEyes(services.store, eyes, 1), input);
    const trial = await trainBare(services, argsOf(input, few.label), CALIBRATION_ITERATIONS, signal);
    const rate = (CALIBRATION_ITERATIONS * input.training.batch) / (trial.seconds - trial.starting);
    const copies = Math.ceil((rate * options.seconds) / ((1 - 2 * HELD_OUT) * 2 * PATIENTS * perEye));
    report(`${rate.toFixed(1)} records/s: ${copies} times the same ${2 * PATIENTS} eyes for ${options.seconds} s`);
    const stage = await buildDatabases(services, await repeatEyes(services.store, eyes, copies + 1), input);
    const { label } = stage;
    const { records } = stage.databases.find(({ name }) => name === 'train-00')!;

    const rounds: Round[] = [];
    for (let n = 1; n <= options.rounds; n++) {
      // Another seed, another chain: nothing is found done.
      const training = { ...input.training, seed: n };
      const round = { ...input, training };
      const iterations = (SEGMENTS * records) / training.batch;
      const bare = await trainBare(services, argsOf(round, label), iterations, signal);
      report(`round ${n}: caffe train ${bare.seconds.toFixed(1)} s`);
      const pipeline = await trainChain(
        embedded,
        services.store,
        {
          run: `bench-${n}`,
          heads: [0],
          label,
          input: round,
        },
        signal,
      );
      report(`round ${n}: the pipeline ${pipeline.seconds.toFixed(1)} s`);
      const once = { ...round, training: { ...training, epochs: 1 } };
      const four = { run: `bench-${n}`, heads: [0, 1, 2, 3], label, input: once };
      const fourHeads = await trainChain(embedded, services.store, four, signal);
      report(`round ${n}: four heads, one segment ${fourHeads.seconds.toFixed(1)} s`);
      rounds.push({ bare, pipeline, fourHeads });
      signal.throwIfAborted();
    }
    const lines = [
      ...printed({ rounds, records, stage }),
      '',
      `${options.network}, pictures of ${options.size} pixels, ${whole(records)} records a segment in batches of ${input.training.batch}; ${availableParallelism()} cores, ${rounds.length} rounds: medians, and means of the segments.`,
    ];
    process.stdout.write(`\n${lines.join('\n')}\n`);
  } finally {
    await services?.close();
    await embedded.stop();
    out.release();
    await rm(folder, { recursive: true, force: true });
  }
}

function inputOf({ network, size }: Options): PipelineInput {
  return pipelineInputSchema.parse({
    synthetic: { patients: PATIENTS },
    images: { size, shardSize: 16 },
    folds: { validation: HELD_OUT, test: HELD_OUT },
    training: {
      network,
      epochs: SEGMENTS,
      batch: network === 'googlenet' ? 24 : 32,
      segmentsPerEpoch: 1,
    },
  });
}

function argsOf({ training, images }: PipelineInput, label: string): TrainingArgs {
  return { run: 'bench', name: trainingName([0]), heads: [0], label, training, images };
}
