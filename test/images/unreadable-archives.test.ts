/** Archives that cannot be read: one line that names the cause and what to do, and never `archive.entries` for what is none of its fault. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createImageActivities } from '../../activities/images/index.ts';
import { openArchive } from '../../activities/images/open-archive.ts';
import type { OpenedArchive } from '../../activities/images/types.ts';
import { pipelineInputSchema } from '../../config/input.ts';
import { putBytes } from '../../storage/artifacts.ts';
import { failureOf, quietEnvironment } from '../download/world.ts';
import { type TestServices, testServices } from '../support/services.ts';
import { eyeJpeg, headerOf, recordOf, renamed, storeParts, zipOf } from './support.ts';

const defaults = pipelineInputSchema.parse({});
const PACK = '7z a -tzip -mm=Deflate -v8g train.zip train';
const names = ['train/10_left.jpeg', 'train/11_left.jpeg', 'train/12_left.jpeg', 'train/13_left.jpeg'];
let services: TestServices;
let archive: Buffer;
let runs = 0;

beforeAll(async () => {
  services = await testServices();
  archive = await zipOf(await Promise.all(names.map(async (name, n) => [name, await eyeJpeg(n, 120, 80)] as const)));
});
afterAll(() => services.close());

async function open(parts: readonly Buffer[], entries = defaults.archive.entries): Promise<OpenedArchive> {
  const { store } = services;
  const borders = parts.slice(0, -1).map((_, n) => parts.slice(0, n + 1).reduce((sum, { length }) => sum + length, 0));
  const activities = createImageActivities(services);
  return quietEnvironment().run(activities.openArchive, {
    prefix: `stages/prepare/${`${runs++}`.padStart(16, '0')}`,
    parts: await storeParts(store, Buffer.concat(parts), borders, `archives/${runs}`),
    labels: null,
    archive: { ...defaults.archive, entries },
    images: { ...defaults.images },
  });
}

async function messageOf(parts: readonly Buffer[], entries?: string): Promise<string> {
  const failure = await failureOf(open(parts, entries));
  expect(failure).toMatchObject({ type: 'BadArchive', nonRetryable: true });
  expect(failure.message).not.toContain('\n');
  return failure.message;
}

/** The archive with a field of 16 bits changed in header and record of entries: flags at 6 and 8, method at 8 and 10. */
function changed(of: readonly string[], inHeader: number, value: number): Buffer {
  const copy = Buffer.from(archive);
  for (const name of of) {
    copy.writeUInt16LE(value, headerOf(copy, name) + inHeader);
    copy.writeUInt16LE(value, recordOf(copy, name) + inHeader + 2);
  }
  return copy;
}
const [FLAGS, METHOD] = [6, 8];

describe('how a zip is packed', () => {
  test.each([
    [9, 'Deflate64'],
    [14, 'LZMA'],
    [12, 'BZip2'],
    [77, 'method 77'],
  ])('is named where method %i is not read', async (method, name) => {
    expect(await messageOf([changed(names, METHOD, method)])).toBe(
      `Expected the pictures of train.zip stored or deflated, got 4 of 4 packed with ${name}: unpack it, and pack its folder again by ${PACK}`,
    );
  });

  test('is named for a password, by ZipCrypto and by AES', async () => {
    expect(await messageOf([changed(names, FLAGS, 1)])).toContain('got 4 of 4 encrypted: unpack it');
    const aes = changed(names, FLAGS, 1);
    for (const name of names) aes.writeUInt16LE(99, recordOf(aes, name) + 10);
    expect(await messageOf([aes])).toContain('got 4 of 4 encrypted with AES: unpack it');
  });

  test('is named where only some entries are so, and not where they are few enough to be set aside', async () => {
    expect(await messageOf([changed(names.slice(1, 3), METHOD, 9)])).toContain('got 2 of 4 packed with Deflate64');
    const many = names.concat(Array.from({ length: 196 }, (_, n) => `train/${n + 20}_left.jpeg`));
    const large = await zipOf(many.map(name => [name, Buffer.from('picture')]));
    large.writeUInt16LE(9, recordOf(large, 'train/11_left.jpeg') + 10);
    expect(await open([large])).toMatchObject({ pictures: 199, quarantined: 1 });
  });

  test('a zip made for DOS or Windows may have backslashes, any other is told to be made again', async () => {
    const back = names.reduce((zip, name) => renamed(zip, name, name.replace('/', '\\')), archive);
    expect(await messageOf([back])).toBe(
      `Expected slashes in the names of train.zip, got backslashes in 4 of 4: unpack it on Windows, where they separate folders, and pack its folder again by ${PACK}`,
    );
    for (const name of names) back.writeUInt8(0, recordOf(back, name.replace('/', '\\')) + 5);
    expect(await open([back.subarray(0, 3_000), back.subarray(3_000)])).toMatchObject({ pictures: 4, quarantined: 0 });
  });
});

describe('names', () => {
  test('of labels that are not those of the pictures stand beside one of these', async () => {
    const { store } = services;
    const labels = await putBytes(store, 'archives/labels.csv', 'image,level\n10_left.jpeg,0\n11_left.jpeg,1\n');
    const opening = openArchive(
      store,
      {
        ...{ prefix: 'stages/prepare/ffffffffffffffff', labels, archive: defaults.archive, images: defaults.images },
        parts: await storeParts(store, archive, [], 'archives/labeled'),
      },
      new AbortController().signal,
    );
    await expect(opening).rejects.toThrow(
      "got none for 4 of 4: labels that don't match the archive? They name 10_left.jpeg, where it has 10_left: make them alike, or set archive.labels to null to go without",
    );
  });

  test('that do not match are blamed on archive.entries, with one of them', async () => {
    expect(await messageOf([archive], String.raw`^test/\d+`)).toBe(
      String.raw`Expected pictures named like ^test/\d+ in train.zip, got none among 4 entries: is archive.entries right? It has "train/10_left.jpeg"`,
    );
  });

  test('that match are not, where the entries cannot be used', async () => {
    expect(await messageOf([await zipOf(names.map(name => [name, Buffer.alloc(0)]))])).toBe(
      'Expected pictures in train.zip, got none that can be used among 4 entries, as "train/10_left.jpeg": Expected a picture, got an empty entry',
    );
  });
});

describe('parts that are something else', () => {
  const page = Buffer.from('\n<!DOCTYPE html><html><title>Kaggle: Your Home for Data Science</title>'.padEnd(900));
  const pointer = Buffer.from('version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 8388608000\n');
  const tar = Buffer.alloc(2048);
  tar.write('train/10_left.jpeg');
  tar.write('ustar', 257);
  const magic = (...bytes: number[]) => Buffer.concat([Buffer.from(bytes), Buffer.alloc(2_000, 7)]);

  test.each<[string, Buffer[], string]>([
    [
      'login pages',
      [page, page, page],
      'Expected train.zip.001 and 2 more to belong to a zip, got a web page, such as a login page: sign in and download it again',
    ],
    ['pointers of Git LFS', [pointer, pointer], 'got a pointer of Git LFS: fetch the file with `git lfs pull`'],
    ['a tar', [tar], `got a tar archive: unpack it, and pack its folder by ${PACK}`],
    ['a 7z archive', [magic(0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c)], 'got a 7z archive: unpack it'],
    ['a RAR archive', [magic(0x52, 0x61, 0x72, 0x21, 0x1a, 7)], 'got a RAR archive: unpack it'],
    ['a gzip file', [magic(0x1f, 0x8b, 8)], 'got a gzip file: unpack it'],
    ['zeros', [Buffer.alloc(900), Buffer.alloc(900)], 'got zeros, as a stopped download leaves: download it again'],
  ])('are named: %s', async (_, parts, message) => {
    expect(await messageOf(parts)).toContain(message);
  });

  test('are named where the others are right', async () => {
    const [a, b, c] = [archive.subarray(0, 3_000), archive.subarray(3_000, 6_000), archive.subarray(6_000)];
    expect(await messageOf([a, page, c])).toMatch(/^Expected train\.zip\.002 to belong to a zip, got a web page/);
    expect(await messageOf([a, Buffer.alloc(3_000), c])).toMatch(/^Expected train\.zip\.002 to belong .* got zeros/);
    expect(await messageOf([a, b, page])).toMatch(/^Expected train\.zip\.003 to belong to a zip, got a web page/);
  });

  test('are no other archive for bytes in the middle that look like one', async () => {
    const parts = [archive.subarray(0, 3_000), magic(0x1f, 0x8b, 8), archive.subarray(6_000, -30)];
    expect(await messageOf(parts)).toBe(
      'Expected train.zip.003 to end the archive, got no end of central directory: is a part missing or damaged?',
    );
  });

  test('a last part whose end is zeros is a stopped download', async () => {
    expect(await messageOf([archive.subarray(0, 3_000), Buffer.alloc(200_000, 1).fill(0, 9)])).toBe(
      'Expected train.zip.002 to end the archive, got only zeros at its end, as a stopped download leaves: download it again',
    );
  });
});
