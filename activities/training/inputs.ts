/** Reads the inputs of a training from the label stage and the worker's files: net, databases, mean image, weights. */
import { readFile } from 'node:fs/promises';
import { pathOf } from '../../config/files.ts';
import { trainingAt } from '../../config/forks.ts';
import { recordsPerIteration } from '../../config/training.ts';
import { FileRefusal, readAllowed } from '../../lib/allowed-files.ts';
import { quote } from '../../lib/quote.ts';
import { getArtifact } from '../../storage/artifacts.ts';
import { hex } from '../../storage/checksum.ts';
import { needManifest } from '../../storage/stage-outputs.ts';
import type { Artifact } from '../../storage/store.ts';
import { type NetOptions, trainNet } from '../caffe/network.ts';
import { NetworkError, readTemplate } from '../caffe/network-template.ts';
import { type Message, printPrototxt } from '../caffe/prototxt.ts';
import { segmentSolver } from '../caffe/solver.ts';
import type { ActivityServices } from '../dependencies.ts';
import { finalFailure, unusable } from '../failures.ts';
import { type DatabasePlan, isTrainingDatabase, parseRecord } from '../labels/database-plan.ts';
import {
  type ChainSettings,
  digest,
  iterationsPerEpoch,
  type PlannedSegment,
  SEGMENT_RECIPE,
  segmentAt,
  segmentKey,
} from './segment-keys.ts';
import type { TrainingArgs } from './types.ts';
import { weightsChecksum } from './workspace.ts';

export interface TrainingInputs {
  template: Message;
  options: NetOptions;
  plan: DatabasePlan;
  /** Every database by name: `train-00`, …, `val`, `test`. */
  databases: Map<string, Artifact>;
  mean: Artifact;
  /** Class weights of the first epoch; null without weighting. */
  classWeights: ClassWeights[] | null;
  chain: ChainSettings;
  /** Returns the identity of the initial weights, null for random ones; reads them at the first call. */
  weights(): Promise<string | null>;
  /** Iterations of the run as planned; for a forked run, by its last settings. */
  iterations: number;
}

export interface KeyedSegment extends PlannedSegment {
  key: string;
  /** Text of the net and of the solver. */
  net: string;
  solver: string;
  /** Class weights of its epoch. */
  classWeights: ClassWeights[] | null;
}

/** Reads the inputs of a training. @throws non-retryable `BadNetwork` or `BadInput` */
export async function readInputs(
  { store, env }: Pick<ActivityServices, 'store' | 'env'>,
  args: TrainingArgs,
): Promise<TrainingInputs> {
  const { label, heads, training } = args;
  const { outputs } = await needManifest(store, label);
  const again = 'run the label stage again';
  const output = (name: string): Artifact => {
    const artifact = outputs[name];
    if (artifact) return artifact;
    throw finalFailure('BadInput', `Expected ${label}/manifest.json to list ${name}, got none: ${again}`);
  };
  const plan = JSON.parse((await getArtifact(store, output('plan.json'))).toString('utf8')) as DatabasePlan;
  const records = recordsPerIteration(training);
  if (plan.batch !== records) {
    throw finalFailure(
      'BadInput',
      `Expected \`training.batch\` times \`training.accumulate\` to be ${plan.batch}, for which the databases were made, got ${records}: ${again}`,
    );
  }
  const databases = new Map(Object.keys(plan.databases).map(name => [name, output(`${name}.mdb`)]));
  const names = [...databases.keys()].filter(isTrainingDatabase).sort();
  const chain: ChainSettings = {
    batch: records,
    seed: training.seed,
    databases: names.map(name => ({
      name,
      records: plan.databases[name]!.length,
      checksum: identity(databases.get(name)!),
    })),
  };
  const stages = names.flatMap(name => plan.databases[name]!.map(line => parseRecord(line).stage));
  return {
    template: await readNetwork(training.network, env),
    options: { heads, batch: training.batch, classWeights: training.classWeights },
    plan,
    databases,
    mean: output('mean.binaryproto'),
    classWeights: training.classWeights ? heads.map(k => classWeights(stages, k)) : null,
    chain,
    weights: weightsOf(training.weights, env),
    iterations: trainingAt(training, heads, Number.POSITIVE_INFINITY).epochs * iterationsPerEpoch(chain),
  };
}

/**
 * Returns segment `n` with its key, which depends on the key of the previous segment.
 * @param rate of an extended training, if `extend` gave one
 */
export async function keyedSegment(
  inputs: TrainingInputs,
  args: Pick<TrainingArgs, 'training' | 'heads'>,
  n: number,
  previous: string | null,
  rate: number | null = null,
): Promise<KeyedSegment> {
  const training = trainingAt(args.training, args.heads, Math.floor(n / inputs.chain.databases.length) + 1);
  const planned = segmentAt({ ...inputs.chain, seed: training.seed }, n);
  const net = netText(inputs);
  const wholeRun = training.epochs * iterationsPerEpoch(inputs.chain);
  const solver = printPrototxt(segmentSolver(planned, wholeRun, training, rate));
  const weights = inputs.classWeights?.map(each => decayed(each, training.classWeightsDecay, planned.epoch)) ?? null;
  const key = segmentKey({
    previous,
    planned,
    net,
    solver,
    mean: identity(inputs.mean),
    weights: previous === null ? await inputs.weights() : null,
    classWeights: weights,
  });
  return { ...planned, key, net, solver, classWeights: weights };
}

/** Returns the hash of all inputs of the chain. */
export async function originOf(inputs: TrainingInputs): Promise<string> {
  const { chain, mean, classWeights } = inputs;
  return digest([SEGMENT_RECIPE, netText(inputs), chain, identity(mean), await inputs.weights(), classWeights]);
}

function netText(inputs: TrainingInputs): string {
  return printPrototxt(stated(() => trainNet(inputs.template, inputs.options)));
}

/** Converts a NetworkError into a non-retryable failure. */
export function stated<Result>(work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    if (error instanceof NetworkError) throw finalFailure('BadNetwork', error.message, error);
    throw error;
  }
}

/** Size limit of a network in text form; GoogLeNet's has 30 KB. */
const NETWORK = { setting: 'training.network', max: 4 << 20 };

/** Reads and checks a template. @param network `small`, `googlenet` or `file:PATH` */
export async function readNetwork(network: string, env: NodeJS.ProcessEnv): Promise<Message> {
  const path = pathOf(network);
  const text = path === undefined ? await readTemplateOfOurs(network) : await readNetworkFile(path, env);
  return stated(() => readTemplate(text));
}

async function readTemplateOfOurs(name: string): Promise<string> {
  if (!/^[a-z]+$/.test(name)) throw finalFailure('BadNetwork', `Expected a network, got \`${quote(name)}\``);
  return readFile(new URL(`../../config/networks/${name}.prototxt`, import.meta.url), 'utf8');
}

async function readNetworkFile(path: string, env: NodeJS.ProcessEnv): Promise<string> {
  const bytes = await readAllowed(path, env, NETWORK).catch((error: NodeJS.ErrnoException) => {
    if (error instanceof FileRefusal) throw finalFailure('BadNetwork', error.message);
    const cure = 'set `training.network` to a file that every GPU worker has';
    throw unusable('BadNetwork', `Expected a network in ${quote(path, 200)}`, error, cure);
  });
  // The error shows no content of a binary file.
  if (bytes.includes(0)) throw finalFailure('BadNetwork', 'Expected a Caffe network in text form, got binary data');
  return bytes.toString('utf8');
}

/** Returns a function that reads the weights once, on the first call: they may have hundreds of megabytes. */
function weightsOf(weights: string | null, env: NodeJS.ProcessEnv): () => Promise<string | null> {
  let read: Promise<string | null> | undefined;
  return () => {
    read ??= weights === null ? Promise.resolve(null) : weightsChecksum(weights, env).then(identity);
    return read;
  };
}

function identity({ size, crc32c: crc }: Pick<Artifact, 'size' | 'crc32c'>): string {
  return `${size}-${hex(crc)}`;
}

/** Weights of the negative (grade ≤ k) and positive (grade > k) class. */
export type ClassWeights = readonly [negative: number, positive: number];

/**
 * Returns inverse class frequencies, scaled so that the mean weight over all records is 1. So the scale of the loss, and with it
 * the effect of the rate, is unchanged. A class that never occurs has weight 1.
 * @param stages grades 0–4 of all training records
 */
export function classWeights(stages: readonly number[], k: number): ClassWeights {
  const positives = stages.filter(stage => stage > k).length;
  const weight = (count: number) => (count === 0 ? 1 : stages.length / (2 * count));
  return [weight(stages.length - positives), weight(positives)];
}

/**
 * Returns the weights of an epoch, counted from 1. They decay exponentially to 1, which is no weighting; the mean over all records
 * stays 1.
 * @param decay remaining fraction of their distance from 1 after each epoch
 */
export function decayed([negative, positive]: ClassWeights, decay: number, epoch: number): ClassWeights {
  const left = decay ** (epoch - 1);
  return [1 + (negative - 1) * left, 1 + (positive - 1) * left];
}
