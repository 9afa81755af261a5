/** A finished run as others use it: its networks, each with the weights of its best epoch, and its regression. */
import type { Metrics } from '../activities/regression/metrics.ts';
import type { RunRecord } from '../activities/run/types.ts';
import { keyedSegment, readInputs, type TrainingInputs } from '../activities/training/inputs.ts';
import { readSegment } from '../activities/training/segment-record.ts';
import type { TrainingArgs } from '../activities/training/types.ts';
import type { PipelineInput } from '../config/input.ts';
import { getJson } from '../storage/files.ts';
import { runFolder } from '../storage/key-names.ts';
import type { Manifest } from '../storage/manifest.ts';
import type { Artifact, ArtifactStore } from '../storage/store.ts';
import { trainingName } from '../workflows/names.ts';

/** What a run lacks to be used; the message is for the person who asked. */
export class UnusableRun extends Error {
  override readonly name = 'UnusableRun';
}

export interface TrainedNetwork {
  /** `train-0-vs-1234` … or `train-four-heads` */
  name: string;
  heads: number[];
  inputs: TrainingInputs;
  /** The epoch with the highest AUC on the validation fold, its segment, and the weights at its end. */
  epoch: number;
  snapshot: string;
  weights: Artifact;
}

export interface TrainedRun {
  run: string;
  record: RunRecord;
  input: PipelineInput;
  /** `stages/<stage>/<key>` by name. */
  prefixes: Record<string, string>;
  networks: TrainedNetwork[];
  metrics: Metrics;
}

/** @throws UnusableRun where a stage is not finished, or the weights are no longer there */
export async function readTrainedRun(store: ArtifactStore, record: RunRecord): Promise<TrainedRun> {
  const { run, input } = record;
  const heads = input.training.layout === 'four-heads' ? [[0, 1, 2, 3]] : [[0], [1], [2], [3]];
  const names = ['prepare', 'label', ...heads.map(trainingName), 'regress'];
  const prefixes = Object.fromEntries(names.map(name => [name, prefixOf(record, name)]));
  const metrics = await getJson<Metrics>(store, `${runFolder(run)}/report/metrics.json`);
  if (metrics === undefined) {
    throw new UnusableRun(`Expected run ${run} to have a report in ${store.url}, got none: let it end first`);
  }
  const networks: TrainedNetwork[] = [];
  for (const each of heads) networks.push(await readNetwork(store, record, prefixes, each));
  return { run, record, input, prefixes, networks, metrics };
}

function prefixOf({ run, stages }: RunRecord, name: string): string {
  const stage = stages[name];
  if (stage?.finished) return `stages/${stage.stage}/${stage.key}`;
  throw new UnusableRun(
    `Expected run ${run} to have finished its ${name} stage, got ${stage ? 'one under way' : 'none'}: let it go on first`,
  );
}

/** What the manifest of a training says beside its inputs: rates given by hand for epochs beyond the planned end. */
interface TrainingParameters {
  training: PipelineInput['training'];
  rates?: { after: number; rate: number }[];
}

/** Segments are named by what went into them, so the name of the best follows from the run's input. */
async function readNetwork(
  store: ArtifactStore,
  { run, input }: RunRecord,
  prefixes: Record<string, string>,
  heads: number[],
): Promise<TrainedNetwork> {
  const name = trainingName(heads);
  const manifest = await getJson<Manifest>(store, `${prefixes[name]}/manifest.json`);
  const epoch = manifest?.counts.bestEpoch;
  if (manifest === undefined || epoch === undefined) {
    throw new UnusableRun(`Expected ${prefixes[name]}/manifest.json to name the best epoch, got none`);
  }
  const { training, rates = [] } = manifest.parameters as unknown as TrainingParameters;
  const args: TrainingArgs = { run, name, heads, label: prefixes.label!, training, images: input.images };
  const inputs = await readInputs(store, args);
  const perEpoch = inputs.chain.databases.length;
  let snapshot: string | null = null;
  for (let segment = 0; segment < epoch * perEpoch; segment++) {
    const at = Math.floor(segment / perEpoch) + 1;
    const rate = rates.findLast(({ after }) => at > after)?.rate ?? null;
    snapshot = (await keyedSegment(inputs, args, segment, snapshot, rate)).key;
  }
  const weights = snapshot === null ? undefined : (await readSegment(store, snapshot))?.model;
  if (snapshot === null || weights === undefined || (await store.head(weights.key)) === undefined) {
    throw new UnusableRun(
      `Expected the weights of ${name} after epoch ${epoch} in ${store.url}, got none: another release or another network made them, or they were removed; run it again`,
    );
  }
  return { name, heads, inputs, epoch, snapshot, weights };
}
