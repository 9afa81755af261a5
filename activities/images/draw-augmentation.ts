/** Draws a run's contact sheet from the shards of a finished prepare stage. */
import { bytesArtifact, getArtifact, getJson } from '../../storage/files.ts';
import { runFolder } from '../../storage/key-names.ts';
import type { Manifest } from '../../storage/manifest.ts';
import type { Artifact, ArtifactStore } from '../../storage/store.ts';
import { finalFailure } from '../failures.ts';
import { drawContactSheet, SHEET_COLUMNS, type SheetPicture, type SheetRow } from './contact-sheet.ts';
import type { DrawAugmentationArgs, IndexedPicture, ShardIndex } from './types.ts';

const STAGES = [0, 1, 2, 3, 4];

/**
 * Writes `runs/<run>/report/augmentation.png`, over what an earlier execution of the run left there.
 * @throws final failure `BadInput` when the stage is not finished
 */
export async function drawAugmentation(
  store: ArtifactStore,
  { run, prefix, images }: DrawAugmentationArgs,
): Promise<Artifact> {
  const rows = await firstOfEachStage(store, prefix);
  const bytes = await drawContactSheet(rows, images.versions);
  const key = `${runFolder(run)}/report/augmentation.png`;
  await store.put(key, bytes, { overwrite: true });
  return bytesArtifact(key, bytes);
}

/** Reads no more shards than it takes to find the pictures: the rarest stage lies within the first few. */
async function firstOfEachStage(store: ArtifactStore, prefix: string): Promise<SheetRow[]> {
  const manifest = await getJson<Manifest>(store, `${prefix}/manifest.json`);
  if (manifest === undefined) {
    throw finalFailure('BadInput', `Expected ${prefix} to be finished, got no manifest: run prepareImages first`);
  }
  const found = new Map<number | null, SheetPicture[]>();
  const enough = () => STAGES.every(stage => (found.get(stage)?.length ?? 0) >= SHEET_COLUMNS);
  const indexes = Object.values(manifest.outputs)
    .filter(({ key }) => key.endsWith('.index.json'))
    .sort((a, b) => (a.key < b.key ? -1 : 1));
  for (const artifact of indexes) {
    const { pictures } = JSON.parse((await getArtifact(store, artifact)).toString()) as ShardIndex;
    const tar = artifact.key.replace(/index\.json$/, 'tar');
    for (const picture of pictures) {
      const row = found.get(picture.stage) ?? [];
      found.set(picture.stage, row);
      if (row.length < SHEET_COLUMNS) row.push(await read(store, tar, picture));
    }
    if (enough()) break;
  }
  const stages = found.has(null) ? [null] : STAGES;
  return stages.map(stage => ({ stage, pictures: found.get(stage) ?? [] }));
}

async function read(store: ArtifactStore, tar: string, { image, versions }: IndexedPicture): Promise<SheetPicture> {
  const pngs = Object.entries(versions).map(async ([version, { offset, size }]) => [
    version,
    await store.get(tar, { offset, length: size }),
  ]);
  return { image, versions: Object.fromEntries(await Promise.all(pngs)) };
}
