/** The pictures as the competition hands them out: one deflated zip in five parts, in a store. */
import { open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ArchivePart } from '../../../activities/zip/virtual-file.ts';
import { putBytes } from '../../../storage/artifacts.ts';
import type { ArtifactStore } from '../../../storage/store.ts';
import { cutIntoParts, fileSize, partName, writeArchive } from '../../../synthetic/archive.ts';

const PARTS = 5;

/** @param pictures folder of JPEGs named like `names` */
export async function storeArchive(
  store: ArtifactStore,
  folder: string,
  pictures: string,
  names: readonly string[],
): Promise<ArchivePart[]> {
  const whole = join(folder, 'train.zip');
  await writeArchive(
    whole,
    'train/',
    (async function* () {
      for (const name of names)
        yield { path: `train/${name}.jpeg`, bytes: await readFile(join(pictures, `${name}.jpeg`)) };
    })(),
  );
  const parts: ArchivePart[] = [];
  const file = await open(whole);
  try {
    for (const [n, { offset, length }] of cutIntoParts(await fileSize(whole), PARTS).entries()) {
      const bytes = Buffer.allocUnsafe(length);
      await file.read(bytes, 0, length, offset);
      const name = partName('train.zip', n);
      parts.push({ name, offset: 0, ...(await putBytes(store, `archives/bench/${name}`, bytes)) });
    }
  } finally {
    await file.close();
    await rm(whole);
  }
  return parts;
}
