/**
 * What a run leaves in the store about itself: `runs/<run>/run.json` (input, versions) and one object a stage beside it, as the
 * four trainings open and close theirs at the same time from several workers, and no update may be lost.
 */
import { getJson } from '../../storage/files.ts';
import { keySegment, runFolder } from '../../storage/key-names.ts';
import type { Json, Manifest, StageFolder, StagePlace } from '../../storage/manifest.ts';
import type { ArtifactStore } from '../../storage/store.ts';
import type { RunRecord } from './types.ts';

export interface StageRecord {
  run: string;
  name: string;
  stage: StageFolder;
  key: string;
  recipe: number;
  inputs: Record<string, string>;
  parameters: Json;
  reused: boolean;
  reason: string;
  seconds: number;
  finished: boolean;
}

export const runKey = (run: string) => `${runFolder(run)}/run.json`;
export const stageKey = (run: string, name: string) => `${runFolder(run)}/stages/${keySegment(name)}.json`;
/** Says that a run is about to refer to a stage, until its record does. */
export const claimKey = (run: string, name: string) => `${runFolder(run)}/claims/${keySegment(name)}.json`;

/** `run.json` joined with the records of the stages; undefined where there is no such run. */
export async function readRecord(store: ArtifactStore, run: string): Promise<RunRecord | undefined> {
  const input = await getJson<Omit<RunRecord, 'stages'>>(store, runKey(run));
  if (!input) return undefined;
  const stages = (await readStages(store, run)).map(({ name, stage, key, reused, reason, seconds, finished }) => [
    name,
    { stage, key, reused, reason, seconds, finished },
  ]);
  return { ...input, stages: Object.fromEntries(stages) };
}

/** The stages that a run has opened so far. */
export async function readStages(store: ArtifactStore, run: string): Promise<StageRecord[]> {
  const records: StageRecord[] = [];
  for await (const { key } of store.list(`${runFolder(run)}/stages/`)) {
    const record = await getJson<StageRecord>(store, key);
    if (record) records.push(record);
  }
  return records;
}

export function readManifest(store: ArtifactStore, { stage, key }: StagePlace): Promise<Manifest | undefined> {
  return getJson(store, `stages/${stage}/${key}/manifest.json`);
}
