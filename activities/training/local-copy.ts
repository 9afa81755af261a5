/** Copies of stored databases on this machine, which its workers share. */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32c } from '../../storage/checksum.ts';
import { getFile } from '../../storage/files.ts';
import type { Artifact } from '../../storage/store.ts';
import type { ActivityServices } from '../services.ts';

/**
 * The path of a copy with the artifact's checksum, fetched if there is none. It is read through at every use: a power failure may
 * have spoilt it since it was made. Must not be written to.
 */
export async function localCopy({ store, cache }: ActivityServices, artifact: Artifact): Promise<string> {
  const path = join(cache, `${artifact.size}-${artifact.crc32c.toString(16).padStart(8, '0')}`);
  const { size } = await stat(path).catch(() => ({ size: -1 }));
  if (size !== artifact.size || (await checksumOf(path)) !== artifact.crc32c) await getFile(store, artifact, path);
  return path;
}

/** CRC-32C of a file. */
export async function checksumOf(path: string): Promise<number> {
  let crc = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) crc = crc32c(chunk as Buffer, crc);
  return crc;
}
