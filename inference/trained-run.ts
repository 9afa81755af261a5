/** A finished run as others use it: its networks, each with the weights of its best epoch, and its regression. */
import type { Metrics } from '../activities/regression/metrics.ts';
import type { RunRecord } from '../activities/run/types.ts';
import { readInputs, type TrainingInputs } from '../activities/training/inputs.ts';
import { findSnapshot } from '../activities/training/score-archive.ts';
import { readSegment } from '../activities/training/segment-record.ts';
import type { TrainingArgs } from '../activities/training/types.ts';
import type { PipelineInput } from '../config/input.ts';
import { layoutsOf } from '../config/layouts.ts';
import { getJson } from '../storage/files.ts';
import { runFolder } from '../storage/key-names.ts';
import type { Manifest } from '../storage/manifest.ts';
import type { Artifact, ArtifactStore } from '../storage/store.ts';
import { trainingName } from '../workflows/names.ts';
import { RECIPES } from '../workflows/recipes.ts';

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
  /** Number of the recipe that its pictures were prepared by: another than `RECIPES.prepare` is another release's. */
  preparedBy: number | null;
  networks: TrainedNetwork[];
  metrics: Metrics;
}

/** @throws UnusableRun where a stage is not finished; a final failure where the weights are no longer there */
export async function readTrainedRun(store: ArtifactStore, record: RunRecord): Promise<TrainedRun> {
  const { run, input } = record;
  const heads = layoutsOf(input.training);
  const names = ['download', 'prepare', 'label', ...heads.map(trainingName), 'regress'];
  const prefixes = Object.fromEntries(names.map(name => [name, prefixOf(record, name)]));
  const metrics = await getJson<Metrics>(store, `${runFolder(run)}/report/metrics.json`);
  if (metrics === undefined) {
    throw new UnusableRun(`Expected run ${run} to have a report in ${store.url}, got none: let it end first`);
  }
  const prepared = await getJson<Manifest>(store, `${prefixes.prepare}/manifest.json`);
  const networks: TrainedNetwork[] = [];
  for (const each of heads) networks.push(await readNetwork(store, record, prefixes, each));
  return { run, record, input, prefixes, preparedBy: prepared?.recipe ?? null, networks, metrics };
}

/** Whether this release prepares a photograph as the run's were. */
export function isPreparedAlike({ preparedBy }: Pick<TrainedRun, 'preparedBy'>): boolean {
  return preparedBy === RECIPES.prepare;
}

/** What the training of a network was asked for. */
export function trainingArgsOf(
  { run, input: { training, images }, prefixes }: Pick<TrainedRun, 'run' | 'input' | 'prefixes'>,
  { name, heads }: Pick<TrainedNetwork, 'name' | 'heads'>,
): TrainingArgs {
  return { run, name, heads, label: prefixes.label!, training, images };
}

function prefixOf({ run, stages }: RunRecord, name: string): string {
  const stage = stages[name];
  if (stage?.finished) return `stages/${stage.stage}/${stage.key}`;
  throw new UnusableRun(
    `Expected run ${run} to have finished its ${name} stage, got ${stage ? 'one under way' : 'none'}: let it go on first`,
  );
}

async function readNetwork(
  store: ArtifactStore,
  { run, input }: RunRecord,
  prefixes: Record<string, string>,
  heads: number[],
): Promise<TrainedNetwork> {
  const name = trainingName(heads);
  const args = trainingArgsOf({ run, input, prefixes }, { name, heads });
  const { epoch, snapshot } = await findSnapshot({ store }, { ...args, train: prefixes[name]! });
  const weights = (await readSegment(store, snapshot))!.model;
  return { name, heads, inputs: await readInputs(store, args), epoch, snapshot, weights };
}
