/** Reuses work that an earlier attempt has finished. */

import { isStored } from '../storage/artifacts.ts';
import { getSoundJson, settleJson } from '../storage/documents.ts';
import type { Artifact, ArtifactStore } from '../storage/store.ts';

/**
 * Returns the record at `key` where every artifact that it names is stored. Otherwise runs `work` and records its result.
 * When several attempts record the same work, the first record counts.
 * @param artifactsOf artifacts that a record names; null for a file that this record does not have
 */
export async function finishedOnce<Made extends object>(
  store: ArtifactStore,
  key: string,
  artifactsOf: (made: Made) => readonly (Artifact | null)[],
  work: () => Promise<Made>,
): Promise<Made & { reused: boolean }> {
  const isThere = async (made: Made) => {
    for (const artifact of artifactsOf(made)) if (artifact && !(await isStored(store, artifact))) return false;
    return true;
  };
  const finished = await getSoundJson<Made>(store, key);
  if (finished && (await isThere(finished))) return { ...finished, reused: true };
  // The record is written last, because a later attempt takes it for finished work.
  const { content } = await settleJson(store, key, await work(), isThere);
  return { ...content, reused: false };
}
