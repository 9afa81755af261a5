/** The contact sheet of a run's pictures, made small for the page. */
import sharp from 'sharp';
import { getIfThere } from '../../storage/files.ts';
import { runFolder } from '../../storage/key-names.ts';
import type { ArtifactStore } from '../../storage/store.ts';

export interface Sheet {
  /** A JPEG of a tenth of the PNG's bytes. */
  jpeg: Buffer;
  width: number;
  height: number;
}

/** Null where the run's pictures were prepared without one. */
export async function readSheet(store: ArtifactStore, run: string): Promise<Sheet | null> {
  const png = await getIfThere(store, `${runFolder(run)}/report/augmentation.png`);
  if (png === undefined) return null;
  const { data, info } = await sharp(png)
    .jpeg({ quality: 82, chromaSubsampling: '4:4:4' })
    .toBuffer({ resolveWithObject: true });
  return { jpeg: data, width: info.width, height: info.height };
}
