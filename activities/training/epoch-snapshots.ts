/** The snapshots of a training that the store knows: one at the end of each epoch, found by the chain of keys. */
import { getJson } from '../../storage/files.ts';
import type { ArtifactStore } from '../../storage/store.ts';
import { VALIDATION_DATABASE } from '../labels/plan.ts';
import { keyedSegment, type TrainingInputs } from './inputs.ts';
import { readSegment, segmentPrefix } from './segment-record.ts';
import type { EvaluatedSnapshot, TrainingArgs } from './types.ts';

export interface EpochSnapshot {
  /** From 1. */
  epoch: number;
  /** Key of the last segment of the epoch. */
  snapshot: string;
  /** Whether its segments are in the store, and whether its pair still is: retention keeps the last two and the best. */
  trained: boolean;
  kept: boolean;
}

/** Rates that somebody gave for the epochs after the one named, from the manifest of a training that was steered. */
export type GivenRates = readonly { after: number; rate: number }[];

/** @param epochs how many, from the first on */
export async function epochSnapshots(
  store: ArtifactStore,
  inputs: TrainingInputs,
  args: Pick<TrainingArgs, 'training' | 'heads'>,
  epochs: number,
  rates: GivenRates = [],
): Promise<EpochSnapshot[]> {
  const perEpoch = inputs.chain.databases.length;
  const snapshots: EpochSnapshot[] = [];
  let previous: string | null = null;
  for (let epoch = 1; epoch <= epochs; epoch++) {
    const given = rates.findLast(({ after }) => epoch > after)?.rate ?? null;
    for (let n = (epoch - 1) * perEpoch; n < epoch * perEpoch; n++) {
      previous = (await keyedSegment(inputs, args, n, previous, given)).key;
    }
    const segment = await readSegment(store, previous!);
    const pair = segment ? [segment.model, segment.state] : [];
    const there = await Promise.all(pair.map(({ key }) => store.head(key)));
    snapshots.push({
      ...{ epoch, snapshot: previous!, trained: segment !== undefined },
      kept: there.length > 0 && there.every(head => head !== undefined),
    });
  }
  return snapshots;
}

/**
 * Where what a snapshot is worth on the validation fold is kept. The snapshot's key knows nothing of that fold, which other shares may
 * change while the training fold stays.
 */
export function judgementKey({ databases }: TrainingInputs, snapshot: string): string {
  const { crc32c } = databases.get(VALIDATION_DATABASE)!;
  return `${segmentPrefix(snapshot)}/evaluation-${crc32c.toString(16).padStart(8, '0')}.json`;
}

/** What a snapshot was found to be worth; undefined where nobody has judged it. */
export function readJudgement(
  store: ArtifactStore,
  inputs: TrainingInputs,
  snapshot: string,
): Promise<EvaluatedSnapshot | undefined> {
  return getJson(store, judgementKey(inputs, snapshot));
}
