/** Joins what the shards set aside with what was set aside at opening, and judges whether it is too much. */
import { getArtifact, putBytes } from '../../storage/files.ts';
import type { ArtifactStore } from '../../storage/store.ts';
import { finalFailure } from '../failures.ts';
import { parseDirectory } from './directory-file.ts';
import { formatQuarantine, parseQuarantine, tooManyQuarantined } from './quarantine.ts';
import type { ClosedShards, CloseShardsArgs } from './types.ts';

/**
 * Writes `<prefix>/quarantine.jsonl`: entries set aside at opening, then those of the shards in their order.
 * @throws final failure `BadArchive` when more than `images.maxQuarantined` of the pictures are in it; the list is there to be read
 */
export async function closeShards(store: ArtifactStore, args: CloseShardsArgs): Promise<ClosedShards> {
  const { archive, images } = args;
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
