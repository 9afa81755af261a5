import sharp from 'sharp';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { drawContactSheet } from '../../activities/images/contact-sheet.ts';
import { createImageActivities } from '../../activities/images/index.ts';
import { textWidth, write } from '../../activities/images/letters.ts';
import type { DrawAugmentationArgs, ShardIndex } from '../../activities/images/types.ts';
import { VERSIONS } from '../../config/input.ts';
import { sha256 } from '../../storage/checksum.ts';
import { bytesArtifact } from '../../storage/files.ts';
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
const LEFTS = [0, 1].flatMap(picture => [0, 1, 2, 3].map(n => 188 + picture * (4 * 132 - 4 + 24) + n * 132));
const TOP = 56;
const ROW = 160;
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
  await services.store.put(key, Buffer.from(JSON.stringify(manifest)), { overwrite: true });
}

describe('drawAugmentation', () => {
  test('shows the first two pictures of each stage, every version in its column', async () => {
    const { stages } = await prepareStage(services.store, 12, { size: 128 });
    const sheet = await draw();
    expect(await sharp(sheet).metadata()).toMatchObject({ format: 'png', width: 1276, height: 840, channels: 3 });
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
  });

  test('gives the same bytes each time, over what was there', async () => {
    await prepareStage(services.store, 6);
    const first = sha256(await draw());
    expect(sha256(await draw())).toBe(first);
  });

  test('says so where a stage has no picture', async () => {
    const { stages } = await prepareStage(services.store, 3);
    expect([...stages.values()].sort()).toEqual([1, 1, 2, 2, 3, 4]);
    const sheet = await draw();
    // Words in the first tile's place, nothing further on; one picture of stage 3, none beside it.
    expect(await isEmpty(sheet, 0, 0)).toBe(false);
    expect(await isEmpty(sheet, 0, 3)).toBe(true);
    expect(await isEmpty(sheet, 3, 3)).toBe(false);
    expect(await isEmpty(sheet, 3, 4)).toBe(true);
  });

  test('shows pictures without labels in one row', async () => {
    await prepareStage(services.store, 3);
    await reindex(({ pictures }) => {
      for (const picture of pictures) picture.stage = null;
    });
    const sheet = await draw();
    expect((await sharp(sheet).metadata()).height).toBe(840 - 4 * ROW);
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
  const row = { stage: 2, pictures: [{ image: '10_left', versions: { a: png, fa: png } }] };
  const sheet = await drawContactSheet([row], ['fa', 'a']);
  expect((await sharp(sheet).metadata()).width).toBe(1276 - 4 * 132);
});

describe('letters', () => {
  const written = (text: string, scale = 1) => {
    const canvas = { data: new Uint8Array(40 * 9 * 3), width: 40, height: 9 };
    write(canvas, text, { x: 1, y: 1, scale, colour: [255, 255, 255] });
    return Array.from({ length: 9 }, (_, y) =>
      Array.from({ length: 40 }, (_, x) => (canvas.data[(y * 40 + x) * 3] ? '#' : '.')).join(''),
    );
  };

  test('are written as they are read', () => {
    const lines = written('4_L').map(line => line.slice(0, 19).trimEnd());
    expect(lines).toEqual([
      '...................',
      '....#........#.....',
      '...##........#.....',
      '..#.#........#.....',
      '.#..#........#.....',
      '.#####.......#.....',
      '....#........#.....',
      '....#..#####.#####.',
      '...................',
    ]);
    expect(textWidth('4_L', 2)).toBe(34);
  });

  test('differ from each other, and a strange one is a question mark', () => {
    const ascii = Array.from({ length: 95 }, (_, n) => String.fromCharCode(32 + n));
    expect(new Set(ascii.map(letter => written(letter).join())).size).toBe(95);
    for (const strange of ['é', '', '😀']) expect(written(strange)).toEqual(written('?'));
  });

  test('are cut off at the edge', () => {
    expect(() => written('a long line that does not fit', 3)).not.toThrow();
  });
});
