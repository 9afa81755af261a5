/** Reads a finished run for further use: its networks, each with the weights of its best epoch, and its regression. */
import type { Metrics } from '../activities/report/types.ts';
import { readReportFile } from '../activities/run/report-files.ts';
import type { RunRecord } from '../activities/run/types.ts';
import { readInputs, type TrainingInputs } from '../activities/training/inputs.ts';
import { corruptNetwork, findSnapshot } from '../activities/training/score-archive.ts';
import { readSegment } from '../activities/training/segment-manifest.ts';
import type { TrainingArgs } from '../activities/training/types.ts';
import { filesOf } from '../config/files.ts';
import type { PipelineInput } from '../config/input.ts';
import { RECIPES } from '../config/stages.ts';
import { layoutsOf } from '../config/training.ts';
import { allowFiles } from '../lib/allowed-files.ts';
import { getFile } from '../storage/artifacts.ts';
import { readManifest } from '../storage/stage-outputs.ts';
import { type Artifact, type ArtifactStore, CorruptObject } from '../storage/store.ts';
import { trainingName } from '../workflows/ids.ts';

/** Reason why a run cannot be used. The message is for the user. */
export class UnusableRun extends Error {
  override readonly name = 'UnusableRun';
}

export interface TrainedNetwork {
  /** `train-0-vs-1234` … or `train-four-heads` */
  name: string;
  heads: number[];
  inputs: TrainingInputs;
  /** Epoch with the highest AUC on the validation fold, key of the segment at its end, and the weights there. */
  epoch: number;
  snapshot: string;
  weights: Artifact;
  /** `stages/train/<key>` */
  train: string;
}

export interface TrainedRun {
  run: string;
  record: RunRecord;
  input: PipelineInput;
  /** `stages/<stage>/<key>` by name. */
  prefixes: Record<string, string>;
  /** Recipe number of the image preparation. A number other than `RECIPES.prepare` comes from another release. */
  preparedBy: number | null;
  networks: TrainedNetwork[];
  metrics: Metrics;
}

/** Reads a finished run. @throws UnusableRun where a stage or the report is missing; CorruptObject where weights are no longer there */
export async function readTrainedRun(store: ArtifactStore, record: RunRecord): Promise<TrainedRun> {
  const { run, input } = record;
  const heads = layoutsOf(input.training);
  const names = ['download', 'prepare', 'label', ...heads.map(trainingName), 'regress'];
  const prefixes = Object.fromEntries(names.map(name => [name, finishedStage(record, name)]));
  const report = await readReportFile(store, run, 'metrics.json');
  if (report === undefined) {
    throw new UnusableRun(`Expected run ${run} to have a report in ${store.url}, got none: let it end first`);
  }
  const metrics = JSON.parse(report.toString('utf8')) as Metrics;
  const prepared = await readManifest(store, prefixes.prepare!);
  const networks: TrainedNetwork[] = [];
  for (const each of heads) networks.push(await readNetwork(store, record, prefixes, each));
  return { run, record, input, prefixes, preparedBy: prepared?.recipe ?? null, networks, metrics };
}

/** Returns whether this release prepares images as the run did. */
export function isPreparedAlike({ preparedBy }: Pick<TrainedRun, 'preparedBy'>): boolean {
  return preparedBy === RECIPES.prepare;
}

/** Returns the arguments of a network's training. */
export function trainingArgsOf(
  { run, input: { training, images }, prefixes }: Pick<TrainedRun, 'run' | 'input' | 'prefixes'>,
  { name, heads }: Pick<TrainedNetwork, 'name' | 'heads'>,
): TrainingArgs {
  return { run, name, heads, label: prefixes.label!, training, images };
}

/** Returns `stages/<stage>/<key>` of a finished stage of the run. @throws UnusableRun when it is not finished */
export function finishedStage({ run, stages }: RunRecord, name: string): string {
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
  // Runs on the user's machine with the user's rights, so the files that the input names are allowed.
  const services = { store, env: allowFiles(process.env, filesOf(input)) };
  const train = prefixes[name]!;
  const { epoch, snapshot } = await findSnapshot({ store }, { ...args, train });
  const weights = (await readSegment(store, snapshot))!.model;
  return { name, heads, inputs: await readInputs(services, args), epoch, snapshot, weights, train };
}

/** Copies a network's weights and mean image into files. @throws CorruptObject */
export async function placeNetwork(
  store: ArtifactStore,
  network: TrainedNetwork,
  weights: string,
  mean: string,
): Promise<void> {
  await getFile(store, network.weights, weights).catch(error => {
    throw error instanceof CorruptObject ? corruptNetwork(store, network, network.snapshot, error.message) : error;
  });
  await getFile(store, network.inputs.mean, mean);
}
