/** Draws a run's contact sheet from the shards of a finished prepare stage. It shows at a glance whether the preparation worked. */
import sharp from 'sharp';
import { VERSIONS, type Version } from '../../config/input.ts';
import { getArtifact } from '../../storage/artifacts.ts';
import { readManifest } from '../../storage/stage-outputs.ts';
import type { Artifact, ArtifactStore } from '../../storage/store.ts';
import { finalFailure } from '../failures.ts';
import { storeReportFile } from '../run/report-files.ts';
import { readPicture } from './read-shards.ts';
import type { DrawAugmentationArgs, IndexedPicture, ShardIndex } from './types.ts';

const STAGES = [0, 1, 2, 3, 4];

/**
 * Writes `runs/<run>/report/augmentation.png` and the names of its images. Overwrites those of an earlier execution of the run.
 * @throws final failure `BadInput` when the stage is not finished
 */
export async function drawAugmentation(
  store: ArtifactStore,
  { run, prefix, images }: DrawAugmentationArgs,
): Promise<Artifact> {
  const rows = await firstOfEachStage(store, prefix);
  const names = [...rows].flatMap(([stage, pictures]) => pictures.map(({ image }) => `${stage ?? ''},${image}\n`));
  await storeReportFile(store, run, 'augmentation.csv', `stage,image\n${names.join('')}`);
  const bytes = await drawContactSheet([...rows.values()], images.versions);
  return storeReportFile(store, run, 'augmentation.png', bytes);
}

/**
 * Returns the first images of each grade, or one row with grade null where there are no labels. Stops at the first shard that completes
 * them, as a rule one of the first.
 */
async function firstOfEachStage(store: ArtifactStore, prefix: string): Promise<Map<number | null, SheetPicture[]>> {
  const manifest = await readManifest(store, prefix);
  if (manifest === undefined) {
    throw finalFailure('BadInput', `Expected ${prefix} to be finished, got no manifest: run prepareImages first`);
  }
  const found = new Map<number | null, SheetPicture[]>();
  const enough = () => STAGES.every(stage => (found.get(stage)?.length ?? 0) >= SHEET_COLUMNS);
  const indexes = Object.values(manifest.outputs)
    .filter(({ key }) => key.endsWith('.index.json'))
    .sort((a, b) => (a.key < b.key ? -1 : 1));
  for (const artifact of indexes) {
    const { tar, pictures } = JSON.parse((await getArtifact(store, artifact)).toString()) as ShardIndex;
    for (const picture of pictures) {
      const row = found.get(picture.stage) ?? [];
      found.set(picture.stage, row);
      if (row.length < SHEET_COLUMNS) row.push(await read(store, tar, picture));
    }
    if (enough()) break;
  }
  const stages = found.has(null) ? [null] : STAGES;
  return new Map(stages.map(stage => [stage, found.get(stage) ?? []]));
}

async function read(store: ArtifactStore, tar: string, { image, versions }: IndexedPicture): Promise<SheetPicture> {
  const pngs = Object.entries(versions).map(async ([version, { offset, size }]) => [
    version,
    await readPicture(store, { file: `${image}.${version}.png`, tar, offset, size }),
  ]);
  return { image, versions: Object.fromEntries(await Promise.all(pngs)) };
}

/** An image with the PNG of each of its versions. */
export interface SheetPicture {
  image: string;
  versions: Partial<Record<Version, Uint8Array>>;
}

/** Images of each grade. */
const SHEET_COLUMNS = 2;

const TILE = 128;
const GAP = 4;
const BETWEEN_PICTURES = 24;
const MARGIN = 16;
const PAPER = '#f7f7f7';

/**
 * Draws a row for each grade, with the versions of its images side by side. The row of a grade without images stays empty.
 * There is no text, which would need the machine's fonts; the page beside the sheet explains it.
 * @returns a PNG, the same bytes for the same images
 */
export async function drawContactSheet(
  rows: readonly (readonly SheetPicture[])[],
  versions: readonly Version[],
): Promise<Buffer> {
  const shown = VERSIONS.filter(version => versions.includes(version));
  const pictureWidth = shown.length * (TILE + GAP) - GAP;
  const leftOf = (column: number) => MARGIN + column * (pictureWidth + BETWEEN_PICTURES);
  const tiles = rows.flatMap((pictures, row) =>
    pictures.flatMap(({ versions }, column) =>
      shown.map(async (version, place) => ({
        input: await sharp(versions[version]).resize(TILE, TILE, { kernel: 'lanczos3' }).png().toBuffer(),
        left: leftOf(column) + place * (TILE + GAP),
        top: MARGIN + row * (TILE + MARGIN),
      })),
    ),
  );
  const width = leftOf(SHEET_COLUMNS) - BETWEEN_PICTURES + MARGIN;
  const height = MARGIN + rows.length * (TILE + MARGIN);
  return sharp({ create: { width, height, channels: 3, background: PAPER } })
    .composite(await Promise.all(tiles))
    .removeAlpha()
    .png({ compressionLevel: 9 })
    .toBuffer();
}
