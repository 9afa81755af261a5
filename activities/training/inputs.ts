/** What a training starts from, read from the label stage and the worker's files: net, databases, mean picture, weights. */

import { readFile, stat } from 'node:fs/promises';
import { trainingAt } from '../../config/forks.ts';
import { recordsPerIteration } from '../../config/iteration.ts';
import { fileChecksum, getArtifact, getJson } from '../../storage/files.ts';
import type { Manifest } from '../../storage/manifest.ts';
import type { Artifact, ArtifactStore } from '../../storage/store.ts';
import { finalFailure } from '../failures.ts';
import { type DatabasePlan, isTrainingDatabase, parseRecord } from '../labels/plan.ts';
import {
  type ChainSettings,
  digest,
  iterationsPerEpoch,
  type PlannedSegment,
  SEGMENT_RECIPE,
  segmentAt,
  segmentKey,
} from './chain.ts';
import { type ClassWeights, classWeights, decayed } from './class-weights.ts';
import { type NetOptions, trainNet } from './network.ts';
import { NetworkError, readTemplate } from './network-anatomy.ts';
import { type Message, printPrototxt } from './prototxt.ts';
import { segmentSolver } from './solver.ts';
import type { TrainingArgs } from './types.ts';

export interface TrainingInputs {
  template: Message;
  options: NetOptions;
  plan: DatabasePlan;
  /** Every database by name: `train-00`, …, `val`, `test`. */
  databases: Map<string, Artifact>;
  mean: Artifact;
  /** In the first epoch. */
  classWeights: ClassWeights[] | null;
  chain: ChainSettings;
  /** Iterations of the run as planned, by the last settings where it is forked. */
  iterations: number;
}

export interface KeyedSegment extends PlannedSegment {
  key: string;
  /** Text of the net and of the solver. */
  net: string;
  solver: string;
  /** In its epoch. */
  classWeights: ClassWeights[] | null;
}

/** @throws non-retryable `BadNetwork` or `BadInput` */
export async function readInputs(store: ArtifactStore, args: TrainingArgs): Promise<TrainingInputs> {
  const { label, heads, training } = args;
  const manifest = await getJson<Manifest>(store, `${label}/manifest.json`);
  if (!manifest)
    throw finalFailure(
      'BadInput',
      `Expected ${label}/manifest.json in ${store.url}, got nothing: run the label stage first`,
    );
  const outputs = new Map(Object.values(manifest.outputs).map(artifact => [artifact.key, artifact]));
  const output = (name: string): Artifact => {
    const artifact = outputs.get(`${label}/${name}`);
    if (!artifact)
      throw finalFailure(
        'BadInput',
        `Expected ${label}/manifest.json to list ${name}, got none: run the label stage again`,
      );
    return artifact;
  };
  const plan = JSON.parse((await getArtifact(store, output('plan.json'))).toString('utf8')) as DatabasePlan;
  const records = recordsPerIteration(training);
  if (plan.batch !== records) {
    throw finalFailure(
      'BadInput',
      `Expected \`training.batch\` times \`training.accumulate\` to be ${plan.batch}, for which the databases were made, got ${records}: run the label stage again`,
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
    template: await readNetwork(training.network),
    options: { heads, batch: training.batch, classWeights: training.classWeights },
    plan,
    databases,
    mean: output('mean.binaryproto'),
    classWeights: training.classWeights ? heads.map(k => classWeights(stages, k)) : null,
    chain,
    iterations: trainingAt(training, heads, Number.POSITIVE_INFINITY).epochs * iterationsPerEpoch(chain),
  };
}

/**
 * Segment `n` with its key, which hangs on the key of the one before.
 * @param rate of a training that was extended, where somebody has given one
 */
export async function keyedSegment(
  inputs: TrainingInputs,
  args: Pick<TrainingArgs, 'training' | 'heads'>,
  n: number,
  previous: string | null,
  rate: number | null = null,
): Promise<KeyedSegment> {
  const epoch = Math.floor(n / inputs.chain.databases.length) + 1;
  const training = trainingAt(args.training, args.heads, epoch);
  const planned = segmentAt({ ...inputs.chain, seed: training.seed }, n);
  const net = netText(inputs);
  const wholeRun = training.epochs * iterationsPerEpoch(inputs.chain);
  const solver = printPrototxt(segmentSolver(planned, wholeRun, training, rate));
  const { classWeightsDecay = 1 } = training;
  const weights = inputs.classWeights?.map(each => decayed(each, classWeightsDecay, planned.epoch)) ?? null;
  const key = segmentKey({
    previous,
    planned,
    net,
    solver,
    mean: identity(inputs.mean),
    weights: previous === null ? await weightsChecksum(training.weights) : null,
    classWeights: weights,
  });
  return { ...planned, key, net, solver, classWeights: weights };
}

/** Hash of everything the chain starts from. */
export async function originOf(inputs: TrainingInputs, { training }: TrainingArgs): Promise<string> {
  return digest([
    SEGMENT_RECIPE,
    netText(inputs),
    inputs.chain,
    identity(inputs.mean),
    await weightsChecksum(training.weights),
    inputs.classWeights,
  ]);
}

/** The path of a `file:PATH` setting. */
export function pathOf(setting: string): string {
  return setting.replace(/^file:/, '');
}

function netText(inputs: TrainingInputs): string {
  return printPrototxt(stated(() => trainNet(inputs.template, inputs.options)));
}

/** Turns what is wrong with a network into a failure that no retry can cure. */
export function stated<Result>(work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    if (error instanceof NetworkError) throw finalFailure('BadNetwork', error.message, error);
    throw error;
  }
}

/** @param network `small`, `googlenet` or `file:PATH` */
export async function readNetwork(network: string): Promise<Message> {
  const file = network.startsWith('file:')
    ? pathOf(network)
    : new URL(`../../config/networks/${network}.prototxt`, import.meta.url);
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw finalFailure(
      'BadNetwork',
      `Expected a network in ${file}, got ${error.code}: set \`training.network\` to a file that every GPU worker has`,
      error,
    );
  });
  return stated(() => readTemplate(text));
}

async function weightsChecksum(weights: string | null): Promise<string | null> {
  if (weights === null) return null;
  const path = pathOf(weights);
  try {
    const { size } = await stat(path);
    return identity({ key: path, size, crc32c: await fileChecksum(path) });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw finalFailure(
      'BadInput',
      `Expected weights in ${path}, got ${code}: set \`training.weights\` to a file that every GPU worker has`,
      error,
    );
  }
}

function identity({ size, crc32c: crc }: Artifact): string {
  return `${size}-${crc.toString(16).padStart(8, '0')}`;
}
