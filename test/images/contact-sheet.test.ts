import sharp from 'sharp';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { drawContactSheet } from '../../activities/images/contact-sheet.ts';
import { createImageActivities } from '../../activities/images/index.ts';
import type { DrawAugmentationArgs, ShardIndex } from '../../activities/images/types.ts';
import { VERSIONS } from '../../config/input.ts';
import { bytesArtifact } from '../../storage/artifacts.ts';
import { sha256 } from '../../storage/checksum.ts';
import { putJson } from '../../storage/documents.ts';
import type { Manifest } from '../../storage/manifest.ts';
import { type TestServices, testServices } from '../support/services.ts';
import { PREPARE, prepareStage, runActivity, tinyInput } from '../training/prepared.ts';

let services: TestServices;
let draw: () => Promise<Buffer>;
const args: DrawAugmentationArgs = { run: 'dr/1', prefix: PREPARE, images: tinyInput().images };
beforeEach(async () => {
  services = await testServices();
  const { drawAugmentation } = createImageActivities(services);
  draw = async () => {
    const { key } = await runActivity(drawAugmentation, args);
    expect(key).toBe('runs/dr_2f_1/report/augmentation.png');
    return services.store.get(key);
  };
});
afterEach(() => services.close());

/** Where the tiles are: left edge of each of the eight columns, upper edge of the first row, and from row to row. */
const LEFTS = [0, 1].flatMap(picture => [0, 1, 2, 3].map(n => 16 + picture * (4 * 132 - 4 + 24) + n * 132));
const TOP = 16;
const ROW = 144;
const WIDTH = 1104;
const HEIGHT = 736;
const tileAt = (sheet: Buffer, row: number, column: number) =>
  sharp(sheet)
    .extract({ left: LEFTS[column]!, top: TOP + row * ROW, width: 128, height: 128 })
    .raw()
    .toBuffer();
const isEmpty = async (sheet: Buffer, row: number, column: number) =>
  (await tileAt(sheet, row, column)).every(value => value === 0xf7);

/** Writes the stage's indexes anew, as `change` leaves them. */
async function reindex(change: (index: ShardIndex) => void): Promise<void> {
  const key = `${PREPARE}/manifest.json`;
  const manifest = JSON.parse((await services.store.get(key)).toString()) as Manifest;
  for (const [name, artifact] of Object.entries(manifest.outputs)) {
    if (!name.endsWith('.index.json')) continue;
    const index = JSON.parse((await services.store.get(artifact.key)).toString()) as ShardIndex;
    change(index);
    const bytes = Buffer.from(JSON.stringify(index));
    await services.store.put(artifact.key, bytes, { overwrite: true });
    manifest.outputs[name] = bytesArtifact(artifact.key, bytes);
  }
  await putJson(services.store, key, manifest, { overwrite: true });
}

describe('drawAugmentation', () => {
  test('shows the first two pictures of each stage, every version in its column', async () => {
    const { stages } = await prepareStage(services.store, 12, { size: 128 });
    const sheet = await draw();
    expect(await sharp(sheet).metadata()).toMatchObject({ format: 'png', width: WIDTH, height: HEIGHT, channels: 3 });
    const shards = new Map<string, { tar: string; picture: ShardIndex['pictures'][number] }>();
    for (const n of ['000', '001']) {
      const index = JSON.parse((await services.store.get(`${PREPARE}/shard-${n}.index.json`)).toString()) as ShardIndex;
      for (const picture of index.pictures) {
        shards.set(picture.image, { tar: `${PREPARE}/shard-${n}.tar`, picture });
      }
    }
    for (let stage = 0; stage < 5; stage++) {
      const images = [...stages].filter(([, own]) => own === stage).map(([image]) => image);
      for (let column = 0; column < 8; column++) {
        const { tar, picture } = shards.get(images[column >> 2]!)!;
        const { offset, size } = picture.versions[VERSIONS[column % 4]!]!;
        const png = await services.store.get(tar, { offset, length: size });
        // At 128 pixels nothing is resized: the tile is the picture itself.
        expect((await tileAt(sheet, stage, column)).equals(await sharp(png).raw().toBuffer())).toBe(true);
      }
    }
    const named = [0, 1, 2, 3, 4].flatMap(stage =>
      [...stages].flatMap(([image, own]) => (own === stage ? [`${stage},${image}\n`] : [])).slice(0, 2),
    );
    const names = await services.store.get('runs/dr_2f_1/report/augmentation.csv');
    expect(names.toString()).toBe(`stage,image\n${named.join('')}`);
  });

  test('gives the same bytes each time, over what was there', async () => {
    await prepareStage(services.store, 6);
    const first = sha256(await draw());
    expect(sha256(await draw())).toBe(first);
  });

  test('leaves the row of a stage without a picture empty', async () => {
    const { stages } = await prepareStage(services.store, 3);
    expect([...stages.values()].sort()).toEqual([1, 1, 2, 2, 3, 4]);
    const sheet = await draw();
    // Nothing in the row of stage 0; one picture of stage 3, none beside it.
    for (const column of [0, 3, 4, 7]) expect(await isEmpty(sheet, 0, column)).toBe(true);
    expect(await isEmpty(sheet, 3, 3)).toBe(false);
    expect(await isEmpty(sheet, 3, 4)).toBe(true);
  });

  test('shows pictures without labels in one row', async () => {
    await prepareStage(services.store, 3);
    await reindex(({ pictures }) => {
      for (const picture of pictures) picture.stage = null;
    });
    const sheet = await draw();
    expect((await sharp(sheet).metadata()).height).toBe(HEIGHT - 4 * ROW);
    expect(await isEmpty(sheet, 0, 7)).toBe(false);
  });

  test('reads no more shards than it needs', async () => {
    await prepareStage(services.store, 40, { shards: 8 });
    const read: string[] = [];
    const get = services.store.get.bind(services.store);
    services.store.get = async (...of) => {
      if (of[0].endsWith('.index.json')) read.push(of[0]);
      return get(...of);
    };
    await draw();
    expect(read).toEqual([0, 1].map(n => `${PREPARE}/shard-00${n}.index.json`).slice(0, read.length));
  });

  test('fails for good where nothing was prepared', async () => {
    await expect(draw()).rejects.toMatchObject({ type: 'BadInput', nonRetryable: true });
  });
});

test('drawContactSheet has a column for each version that was made', async () => {
  const png = await sharp({ create: { width: 64, height: 64, channels: 3, background: '#a00' } })
    .png()
    .toBuffer();
  const sheet = await drawContactSheet([[{ image: '10_left', versions: { a: png, fa: png } }]], ['fa', 'a']);
  expect((await sharp(sheet).metadata()).width).toBe(WIDTH - 4 * 132);
});
