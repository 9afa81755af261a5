/** Files beside the pictures of a zip: ignored and counted, while whatever may be a picture stays named. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openArchive } from '../../activities/images/open-archive.ts';
import { pipelineInputSchema } from '../../config/input.ts';
import { putBytes } from '../../storage/artifacts.ts';
import { type TestServices, testServices } from '../support/services.ts';
import { eyeJpeg, renamed, storeParts, zipOf } from './support.ts';

const defaults = pipelineInputSchema.parse({});
let services: TestServices;
let eyes: [string, Buffer][];
let runs = 0;

beforeAll(async () => {
  services = await testServices();
  eyes = await Promise.all(
    [10, 11, 12, 13].map(async n => [`train/${n}_left.jpeg`, await eyeJpeg(n, 120, 80)] as [string, Buffer]),
  );
});
afterAll(() => services.close());

const side = Buffer.from('beside the pictures');
const withFiles = (...names: string[]) => zipOf([...eyes, ...names.map(name => [name, side] as const)]);

async function open(zip: Buffer, { entries = defaults.archive.entries, maxQuarantined = 0.01 } = {}) {
  const { store } = services;
  const run = `${runs++}`.padStart(16, '0');
  const labels = `image,level\n${eyes.map((_, n) => `${n + 10}_left,${n}\n`).join('')}`;
  const prefix = `stages/prepare/${run}`;
  const opened = await openArchive(
    store,
    {
      prefix,
      parts: await storeParts(store, zip, [zip.length >> 1], `archives/${run}`),
      labels: await putBytes(store, `archives/${run}/labels.csv`, labels),
      archive: { ...defaults.archive, entries },
      images: { ...defaults.images, maxQuarantined },
    },
    new AbortController().signal,
  );
  const { quarantined } = JSON.parse((await store.get(opened.directory.key)).toString());
  return { ...opened, names: (quarantined as { entry: string }[]).map(({ entry }) => entry) };
}

describe('other files', () => {
  test.each([
    [
      'a Mac: __MACOSX/, .DS_Store, a folder icon',
      ['__MACOSX/._train', '__MACOSX/train/._10_left.jpeg', 'train/.DS_Store', 'train/IconX'],
    ],
    ['AppleDouble beside the pictures', ['train/._10_left.jpeg', 'train/._11_left.jpeg']],
    ['Windows', ['train/Thumbs.db', 'desktop.ini', 'train/Desktop.ini']],
    [
      'people',
      ['README', 'README.md', 'train/LICENSE.txt', 'trainLabels.csv', 'train/10_left.json', 'train/size_120x80.log'],
    ],
    ['programs whose extensions nobody knows', ['train/Makefile', 'train/index.xyz', '.gitattributes']],
  ])('of %s are ignored and counted', async (_, names) => {
    const zip = renamed(await withFiles(...names), 'train/IconX', 'train/Icon\r');
    expect(await open(zip)).toMatchObject({ pictures: 4, quarantined: 0, ignored: names.length, names: [] });
  });

  test('are none of the pictures that a wide pattern takes', async () => {
    const zip = await withFiles('__MACOSX/train/._10_left.jpeg', 'train/._10_left.jpeg', 'train/10_left.csv');
    expect(await open(zip, { entries: String.raw`\d+_left` })).toMatchObject({
      pictures: 4,
      quarantined: 0,
      ignored: 3,
    });
  });

  test('may have names that are no UTF-8', async () => {
    const zip = renamed(await withFiles('train/Lisez-moi X.txt'), 'Lisez-moi X', 'Lisez-moi \u00e9');
    expect(await open(zip)).toMatchObject({ pictures: 4, quarantined: 0, ignored: 1 });
  });

  test('do not water down the share that may be set aside', async () => {
    const zip = await withFiles('train/99_left.jpeg', ...Array.from({ length: 40 }, (_, n) => `notes/${n}.txt`));
    await expect(open(zip, { maxQuarantined: 0.1 })).rejects.toThrow(
      /^Expected at most 10 % of 5 pictures to be set aside, got 1 \(20 %\)/,
    );
  });
});

describe('what may be a picture', () => {
  test.each([
    'other/10_left.jpeg',
    'train/10_left.JPG',
    'train/10_left.jpeg.part',
    'train/10_left.dcm',
    'train/10_left.jp_g',
    'train/10_leftXjpeg',
    'train/10_left/peg',
    // AppleDouble only beside a file of that name.
    'train/._left.jpeg',
    'train/.10_left.jpeg',
    '../README',
  ])('stays named where it does not match: %j', async name => {
    const shown = name.replace('../', 'up/');
    const zip = renamed(await withFiles(shown), shown, name.padEnd(shown.length));
    expect(await open(zip, { maxQuarantined: 1 })).toMatchObject({ pictures: 4, ignored: 0, names: [name] });
  });
});
