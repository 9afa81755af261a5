/** Joins the quarantine lists of the shards with that of the opening, and checks the total against the limit. */
import { getArtifact, putBytes } from '../../storage/artifacts.ts';
import { type ArtifactStore, CorruptObject } from '../../storage/store.ts';
import { finalFailure } from '../failures.ts';
import { VirtualFile } from '../zip/virtual-file.ts';
import { shardKeys } from './prepare-shard.ts';
import { formatQuarantine, parseQuarantine, tooManyQuarantined } from './quarantine.ts';
import { parseDirectory } from './stored-directory.ts';
import type { ClosedShards, CloseShardsArgs } from './types.ts';

/**
 * Writes `<prefix>/quarantine.jsonl`: entries quarantined at opening, then those of the shards in order. The list is stored even
 * when the limit is exceeded.
 * @throws CorruptObject where the store has damaged a part; final failure `BadArchive` when more than `images.maxQuarantined` of the
 * images are in the list
 */
export async function closeShards(store: ArtifactStore, args: CloseShardsArgs): Promise<ClosedShards> {
  const { archive, images } = args;
  await proveParts(store, args);
  const entries = [...parseDirectory((await getArtifact(store, archive.directory)).toString()).quarantined];
  for (const { quarantine } of [...args.shards].sort((one, other) => one.shard - other.shard)) {
    if (quarantine !== null) entries.push(...parseQuarantine((await getArtifact(store, quarantine)).toString()));
  }
  const quarantine = await putBytes(store, `${args.prefix}/quarantine.jsonl`, formatQuarantine(entries));
  const problem = tooManyQuarantined(
    entries,
    archive.pictures + archive.quarantined,
    images.maxQuarantined,
    quarantine.key,
  );
  if (problem !== undefined) throw finalFailure('BadArchive', problem);
  return { quarantine, quarantined: entries.length };
}

/**
 * Verifies the parts from start to end where an entry was damaged: only damage from the source is quarantined for good. Otherwise
 * the shards with damaged entries are removed, to be made again.
 */
async function proveParts(store: ArtifactStore, { prefix, parts, shards }: CloseShardsArgs): Promise<void> {
  const hurt = shards.filter(({ crcErrors }) => crcErrors > 0);
  if (hurt.length === 0) return;
  const file = new VirtualFile(store, parts);
  try {
    await file.verify(0, file.size);
  } catch (error) {
    if (!(error instanceof CorruptObject)) throw error;
    for (const { shard, tar, index, originals, quarantine } of hurt) {
      await store.remove(shardKeys(prefix, shard).summary);
      for (const artifact of [tar, index, originals, quarantine]) if (artifact) await store.remove(artifact.key);
    }
    throw error;
  }
}
