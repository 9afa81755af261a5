/** Discards a corrupt object, so that the next run of its stage recreates it. */
import { ApplicationFailure } from '@temporalio/common';
import { getSoundJson, putJson } from '../../storage/documents.ts';
import { downloadOf } from '../../storage/key-syntax.ts';
import { fileKey } from '../../storage/large.ts';
import type { Manifest, StageFolder, StagePlace } from '../../storage/manifest.ts';
import { StoreRefusal } from '../../storage/s3-errors.ts';
import type { ArtifactStore, CorruptObject } from '../../storage/store.ts';
import { stageKey } from './records.ts';
import type { StageRecord } from './types.ts';

const STAGE = /^stages\/([^/]+)\/([^/]+)\//;
const RUN = /^runs\/[^/]+\//;

/**
 * Removes the object and what vouches for it: the manifest of its stage, and the records of finished work with the same base name.
 * Marks the runs that refer to the stage as unfinished, so that starting them again recreates it. Objects under `runs/` stay in place,
 * because `gc` would remove the stages of a run without a record. A resumed run overwrites them.
 * @returns the stages to recreate
 */
export async function discard({ store, key, also }: CorruptObject): Promise<StagePlace[]> {
  const stages = [...(await stagesOf(store, key)), ...also.flatMap(prefix => placeOf(`${prefix}/`))];
  const run = RUN.exec(key)?.[0];
  // This comes before the removal: a process that dies in between leaves a run that is checked again.
  for (const record of await readAllStages(store)) {
    const at = stageKey(record.run, record.name);
    const refers = stages.some(stage => stage.stage === record.stage && stage.key === record.key);
    const reports = run !== undefined && at.startsWith(run) && ['regress', 'score'].includes(record.stage);
    if (record.finished && (refers || reports)) {
      await putJson(store, at, { ...record, finished: false }, { overwrite: true });
    }
  }
  for (const { stage, key: of } of stages) await store.remove(`stages/${stage}/${of}/manifest.json`);
  if (run !== undefined) return stages;
  for (const record of recordsOf(key)) await store.remove(record);
  await store.remove(key);
  return stages;
}

/** Type of the failure of an activity that has found a corrupt object. Its details are the stages to recreate. */
export const CORRUPT_OBJECT = 'CorruptObject';

/**
 * Discards the object and returns the failure that its reader throws. It is not retryable, as another attempt would find the same
 * bytes; the pipeline recreates the stages.
 * @throws the store's error when the removal fails, except a refusal, which is part of the failure's message
 */
export async function discarded(error: CorruptObject): Promise<ApplicationFailure> {
  const failure = (advice: string, stages: StagePlace[]) =>
    ApplicationFailure.create({
      type: CORRUPT_OBJECT,
      message: `${error.message}: ${advice}`,
      nonRetryable: true,
      details: [stages],
      cause: error,
    });
  try {
    const stages = await discard(error);
    return failure(isAlone(error) ? 'it is removed' : 'start the run again, which makes it again', stages);
  } catch (refusal) {
    if (refusal instanceof StoreRefusal)
      return failure(`it cannot be removed to be made again: ${refusal.message}`, []);
    throw refusal;
  }
}

/** Returns whether no object depends on this one, which holds for the evaluation of a snapshot. */
const isAlone = ({ key }: { key: string }) => /^stages\/segment\/.*\/evaluation-[^/]*$/.test(key);

/** Reads the records of the stages that all runs have opened. Leaves out corrupt ones, which concern only their own run. */
async function readAllStages(store: ArtifactStore): Promise<StageRecord[]> {
  const records: StageRecord[] = [];
  for await (const { key } of store.list('runs/')) {
    if (!/^runs\/[^/]+\/stages\/[^/]+\.json$/.test(key)) continue;
    const record = await getSoundJson<StageRecord>(store, key);
    if (record) records.push(record);
  }
  return records;
}

/** Returns the stages whose manifests name the object. */
async function stagesOf(store: ArtifactStore, key: string): Promise<StagePlace[]> {
  if (!key.startsWith('archives/')) return placeOf(key);
  const downloads: StagePlace[] = [];
  for await (const { key: at } of store.list('stages/download/')) {
    const manifest = at.endsWith('/manifest.json') ? await getSoundJson<Manifest>(store, at) : undefined;
    const names = Object.values(manifest?.outputs ?? {}).some(output => downloadOf(output.key) === downloadOf(key));
    if (manifest && names) downloads.push({ stage: 'download', key: manifest.key });
  }
  return downloads;
}

function placeOf(key: string): StagePlace[] {
  if (isAlone({ key })) return [];
  const [, stage, of] = STAGE.exec(key) ?? [];
  return stage !== undefined && of !== undefined ? [{ stage: stage as StageFolder, key: of }] : [];
}

/**
 * Returns the keys of the records that mark the object as finished: `shard-000.summary.json` of `shard-000.tar`, `part.json` of a part.
 */
function recordsOf(key: string): string[] {
  if (key.startsWith('archives/')) return [`${downloadOf(key)}part.json`];
  const base = fileKey(key).replace(/(\/[^/.]+)\.[^/]*$/, '$1');
  return [`${base}.json`, `${base}.summary.json`];
}
