/** Finds the stored snapshots of a training, one at the end of each epoch, by the chain of keys. */

import { setImmediate } from 'node:timers/promises';
import { hex } from '../../storage/checksum.ts';
import { getJson } from '../../storage/documents.ts';
import type { ArtifactStore } from '../../storage/store.ts';
import { VALIDATION_DATABASE } from '../labels/database-plan.ts';
import { keyedSegment, type TrainingInputs } from './inputs.ts';
import { readSegment, segmentPrefix } from './segment-manifest.ts';
import type { EvaluatedSnapshot, GivenRates, TrainingArgs } from './types.ts';

export interface EpochSnapshot {
  /** From 1. */
  epoch: number;
  /** Key of the last segment of the epoch. */
  snapshot: string;
  /** True if the last segment is stored; `kept` if its snapshot still is. Retention keeps the last two and the best. */
  trained: boolean;
  kept: boolean;
}

/** Computes the keys of the first `count` segments. */
export async function segmentKeys(
  inputs: TrainingInputs,
  args: Pick<TrainingArgs, 'training' | 'heads'>,
  count: number,
  rates: GivenRates = [],
): Promise<string[]> {
  const perEpoch = inputs.chain.databases.length;
  const keys: string[] = [];
  while (keys.length < count) {
    const epoch = Math.floor(keys.length / perEpoch) + 1;
    const given = rates.findLast(({ after }) => epoch > after)?.rate ?? null;
    keys.push((await keyedSegment(inputs, args, keys.length, keys.at(-1) ?? null, given)).key);
    // Yields to the event loop, so that heartbeats are sent.
    if (keys.length % 1000 === 0) await setImmediate();
  }
  return keys;
}

/** Looks up the snapshots of the first epochs. @param epochs their number */
export async function epochSnapshots(
  store: ArtifactStore,
  inputs: TrainingInputs,
  args: Pick<TrainingArgs, 'training' | 'heads'>,
  epochs: number,
): Promise<EpochSnapshot[]> {
  const perEpoch = inputs.chain.databases.length;
  const keys = await segmentKeys(inputs, args, epochs * perEpoch);
  const snapshots: EpochSnapshot[] = [];
  for (let epoch = 1; epoch <= epochs; epoch++) {
    const snapshot = keys[epoch * perEpoch - 1]!;
    const segment = await readSegment(store, snapshot);
    const pair = segment ? [segment.model, segment.state] : [];
    const there = await Promise.all(pair.map(({ key }) => store.head(key)));
    snapshots.push({
      ...{ epoch, snapshot, trained: segment !== undefined },
      kept: there.length > 0 && there.every(head => head !== undefined),
    });
  }
  return snapshots;
}

/**
 * Returns the key of a snapshot's evaluation on the validation fold. It contains that fold's checksum, because the snapshot's key
 * does not depend on the fold, which other shares may change while the training fold stays.
 */
export function judgementKey({ databases }: TrainingInputs, snapshot: string): string {
  const { crc32c } = databases.get(VALIDATION_DATABASE)!;
  return `${segmentPrefix(snapshot)}/evaluation-${hex(crc32c)}.json`;
}

/** Reads the evaluation of a snapshot; undefined if there is none. @throws CorruptObject */
export function readJudgement(
  store: ArtifactStore,
  inputs: TrainingInputs,
  snapshot: string,
): Promise<EvaluatedSnapshot | undefined> {
  return getJson(store, judgementKey(inputs, snapshot));
}
