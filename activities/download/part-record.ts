/** `<part>.part.json` beside a part: says that a part is finished, and from which version of its source. Written last. */
import { z } from 'zod';
import { getIfThere } from '../../storage/files.ts';
import type { ArtifactStore } from '../../storage/store.ts';
import type { SourceVersion } from './source.ts';
import type { ArchivePart } from './types.ts';

const recordSchema = z.object({
  schemaVersion: z.literal(1),
  version: z.object({ validator: z.string(), size: z.int() }),
  part: z.object({ name: z.string(), key: z.string(), offset: z.int(), size: z.int(), crc32c: z.int() }),
});

const recordOf = (key: string) => `${key}.part.json`;

export interface PartRecord {
  version: SourceVersion;
  part: ArchivePart;
}

/** The record of the part `key`, if what it speaks of is there. */
export async function readPartRecord(store: ArtifactStore, key: string): Promise<PartRecord | undefined> {
  const bytes = await getIfThere(store, recordOf(key));
  const parsed = recordSchema.safeParse(bytes && parseJson(bytes.toString()));
  if (!parsed.success) return undefined;
  const { version, part } = parsed.data;
  const head = await store.head(part.key);
  return head && head.size >= part.offset + part.size ? { version, part } : undefined;
}

export async function writePartRecord(store: ArtifactStore, key: string, record: PartRecord): Promise<void> {
  const { name, key: at, offset, size, crc32c } = record.part;
  const part: ArchivePart = { name, key: at, offset, size, crc32c };
  const { version } = record;
  await store.put(recordOf(key), Buffer.from(`${JSON.stringify({ schemaVersion: 1, version, part })}\n`), {
    overwrite: true,
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
