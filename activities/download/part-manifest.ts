/** `part.json` beside the chunks of a part. It marks the part as finished, names its version at the source, and is written last. */
import { z } from 'zod';
import { getSoundJson, putJson } from '../../storage/documents.ts';
import { isLargeStored } from '../../storage/large.ts';
import type { ArtifactStore } from '../../storage/store.ts';
import type { ArchivePart } from '../zip/virtual-file.ts';
import type { SourceVersion } from './source.ts';

const recordSchema = z.object({
  schemaVersion: z.literal(1),
  version: z.object({ validator: z.string(), size: z.int() }),
  part: z.object({ name: z.string(), key: z.string(), offset: z.int(), size: z.int(), crc32c: z.int() }),
});

export interface PartRecord {
  version: SourceVersion;
  part: ArchivePart;
}

const RECORD = '/part.json';

/** Reads the record of the part below `prefix`; undefined unless every chunk that it refers to is stored. */
export async function readPartRecord(store: ArtifactStore, prefix: string): Promise<PartRecord | undefined> {
  const parsed = recordSchema.safeParse(await getSoundJson(store, `${prefix}${RECORD}`));
  if (!parsed.success || !(await isLargeStored(store, parsed.data.part.key))) return undefined;
  return parsed.data;
}

/** Finds the newest complete record among the versions of a part. @param folder of the part: `archives/<source>/<name>` */
export async function findPartRecord(store: ArtifactStore, folder: string): Promise<PartRecord | undefined> {
  const found: { prefix: string; modified: number }[] = [];
  for await (const { key, modified } of store.list(`${folder}/`)) {
    if (key.endsWith(RECORD)) found.push({ prefix: key.slice(0, -RECORD.length), modified });
  }
  found.sort((a, b) => b.modified - a.modified);
  for (const { prefix } of found) {
    const record = await readPartRecord(store, prefix);
    if (record) return record;
  }
  return undefined;
}

export async function writePartRecord(
  store: ArtifactStore,
  prefix: string,
  { version, part }: PartRecord,
): Promise<void> {
  const { name, key, offset, size, crc32c } = part;
  const record = { schemaVersion: 1, version, part: { name, key, offset, size, crc32c } };
  await putJson(store, `${prefix}${RECORD}`, record, { overwrite: true });
}
