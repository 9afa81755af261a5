/** What a finished shard left in the store, and how a later attempt finds it again. */

import { bytesArtifact, getIfThere, getJson } from '../../storage/files.ts';
import type { ArtifactStore } from '../../storage/store.ts';
import type { PreparedShard } from './types.ts';

/** Keys of a shard's objects. The index is written last, and is what makes the shard complete. */
export interface ShardKeys {
  tar: string;
  originals: string;
  quarantine: string;
  /** A `ShardSummary`. */
  summary: string;
  index: string;
}

/** Figures of the attempt that made the shard. They lie beside the index, not in it: seconds differ from attempt to attempt. */
export type ShardSummary = Omit<PreparedShard, 'index' | 'reused'>;

export function shardKeys(prefix: string, shard: number): ShardKeys {
  const base = `${prefix}/shard-${String(shard).padStart(3, '0')}`;
  return {
    tar: `${base}.tar`,
    originals: `${base}.originals.tar`,
    quarantine: `${base}.quarantine.jsonl`,
    summary: `${base}.summary.json`,
    index: `${base}.index.json`,
  };
}

/** The shard as an earlier attempt finished it; undefined when there is something left to do. */
export async function findFinishedShard(store: ArtifactStore, keys: ShardKeys): Promise<PreparedShard | undefined> {
  const index = await getIfThere(store, keys.index);
  const summary = index && (await getJson<ShardSummary>(store, keys.summary));
  if (index === undefined || summary === undefined) return undefined;
  const { tar, originals, quarantine } = summary;
  for (const artifact of [tar, originals, quarantine]) {
    if (artifact !== null && (await store.head(artifact.key))?.size !== artifact.size) return undefined;
  }
  return { ...summary, index: bytesArtifact(keys.index, index), reused: true };
}
