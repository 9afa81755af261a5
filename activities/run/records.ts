/**
 * Records of a run in the store: `runs/<run>/run.json` (input, versions) and one object per stage beside it. The four trainings
 * open and close their stages at the same time from several workers. With an object for each, no update is lost.
 */
import { getJson } from '../../storage/documents.ts';
import { keySegment, runFolder } from '../../storage/key-syntax.ts';
import type { ArtifactStore } from '../../storage/store.ts';
import { finalFailure } from '../failures.ts';
import type { RunRecord, StageRecord } from './types.ts';

export const runKey = (run: string) => `${runFolder(run)}/run.json`;
export const stageKey = (run: string, name: string) => `${runFolder(run)}/stages/${keySegment(name)}.json`;
/** Key of the stage of that name that was opened last, by any run. */
export const latestKey = (name: string) => `latest/${keySegment(name)}.json`;

/** Reads `run.json` joined with the records of the stages; undefined where there is no such run. */
export async function readRecord(store: ArtifactStore, run: string): Promise<RunRecord | undefined> {
  const input = await getJson<Omit<RunRecord, 'stages'>>(store, runKey(run));
  if (!input) return undefined;
  const stages = (await readStages(store, run)).map(({ name, stage, key, reused, reason, seconds, finished }) => [
    name,
    { stage, key, reused, reason, seconds, finished },
  ]);
  return { ...input, stages: Object.fromEntries(stages) };
}

/** Reads the record of a run. @throws a final failure where there is no such run */
export async function needRecord(store: ArtifactStore, run: string): Promise<RunRecord> {
  const record = await readRecord(store, run);
  if (record) return record;
  throw finalFailure('BadInput', `Expected a run ${run} in ${store.url}, got none: start retinopathyPipeline first`);
}

/** Returns the stages that a run has opened so far. */
export async function readStages(store: ArtifactStore, run: string): Promise<StageRecord[]> {
  const records: StageRecord[] = [];
  for await (const { key } of store.list(`${runFolder(run)}/stages/`)) {
    const record = await getJson<StageRecord>(store, key);
    if (record) records.push(record);
  }
  return records;
}
