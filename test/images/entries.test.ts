import { createHash, randomBytes } from 'node:crypto';
import unzipper from 'unzipper';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { checkEntries, type PictureEntry } from '../../activities/images/validate-entries.ts';
import { probeParts } from '../../activities/images/verify-parts.ts';
import { VirtualFile } from '../../activities/zip/virtual-file.ts';
import { readDirectory } from '../../activities/zip/zip-directory.ts';
import { DamagedEntry, readEntry, readWindows } from '../../activities/zip/zip-entries.ts';
import type { ArtifactStore } from '../../storage/store.ts';
import { testServices } from '../support/services.ts';
import { eyeJpeg, headerOf, recordOf, renamed, storeParts, zipOf } from './support.ts';

let store: ArtifactStore;
let close: () => Promise<void>;
let jpegs: [string, Buffer][];
let archive: Buffer;
let folders = 0;

beforeAll(async () => {
  ({ store, close } = await testServices());
  jpegs = await Promise.all(
    Array.from({ length: 8 }, async (_, n) => [`train/${n}_left.jpeg`, await eyeJpeg(n)] as [string, Buffer]),
  );
  archive = await zipOf(jpegs);
});
afterAll(() => close());

const fileOf = async (bytes: Buffer, borders: readonly number[] = []) =>
  new VirtualFile(store, await storeParts(store, bytes, borders, `archives/${folders++}`));
const picturesOf = async (file: VirtualFile) => checkEntries(await readDirectory(file), /\.jpeg$/, null).pictures;

/** Comparing buffers of megabytes element by element would take minutes. */
const digest = (bytes: Buffer) => createHash('sha1').update(bytes).digest('hex');

/** Digests of every entry's bytes, or why there are none. */
async function readAll(file: VirtualFile, pictures: readonly PictureEntry[]): Promise<string[]> {
  const read: string[] = [];
  for await (const window of readWindows(file, pictures)) {
    for (const entry of window.entries) {
      read.push(
        await readEntry(file, window, entry).then(digest, error => {
          if (error instanceof DamagedEntry) return error.message;
          throw error;
        }),
      );
    }
  }
  return read;
}

describe('readEntry', () => {
  test("gives the bytes of unzipper's entry stream, deflated and stored, across borders anywhere", async () => {
    for (const stored of [false, true]) {
      const zip = await zipOf(jpegs, { stored });
      const header = headerOf(zip, jpegs[3]![0]);
      const file = await fileOf(zip, [11, header + 2, header + 31, header + 900, headerOf(zip, jpegs[6]![0])]);
      const theirs = await Promise.all((await unzipper.Open.buffer(zip)).files.map(entry => entry.buffer()));
      expect(theirs.map(digest)).toEqual(jpegs.map(([, bytes]) => digest(bytes)));
      expect(await readAll(file, await picturesOf(file))).toEqual(theirs.map(digest));
    }
  });

  test('reads entries that a program for DOS or Windows named with backslashes', async () => {
    let zip = archive;
    for (const [name] of jpegs) zip = renamed(zip, name, name.replace('/', '\\'));
    for (const [name] of jpegs) zip.writeUInt8(0, recordOf(zip, name.replace('/', '\\')) + 5);
    const file = await fileOf(zip, [20_000]);
    const pictures = await picturesOf(file);
    expect(pictures.map(({ name }) => name)).toEqual(jpegs.map(([name]) => name));
    await expect(probeParts(file, pictures)).resolves.toBeUndefined();
    expect(await readAll(file, pictures)).toEqual(jpegs.map(([, bytes]) => digest(bytes)));
  });

  test('reads what is larger than a window, and neighbours that do not fit into one together', async () => {
    const large = [9, 18, 9, 1].map((mib, n) => [`train/${n}_left.jpeg`, randomBytes(mib * 2 ** 20)] as const);
    const file = await fileOf(await zipOf(large, { stored: true }), [5_000_000, 20_000_000]);
    const pictures = await picturesOf(file);
    const windows = [];
    for await (const { entries } of readWindows(file, pictures)) windows.push(entries.map(({ image }) => image));
    expect(windows).toEqual([['0_left'], ['1_left'], ['2_left', '3_left']]);
    expect(await readAll(file, pictures)).toEqual(large.map(([, bytes]) => digest(bytes)));
  });

  test('reads an entry whose local header has a longer extra field than the directory tells', async () => {
    const plain = await zipOf(jpegs.slice(0, 1), { zip64: false });
    const header = 30 + jpegs[0]![0].length;
    const extra = Buffer.alloc(40_000);
    const longer = Buffer.concat([plain.subarray(0, header), extra, plain.subarray(header)]);
    longer.writeUInt16LE(extra.length, 28);
    const end = longer.length - 22;
    longer.writeUInt32LE(longer.readUInt32LE(end + 16) + extra.length, end + 16);
    const file = await fileOf(longer);
    expect(await readAll(file, await picturesOf(file))).toEqual([digest(jpegs[0]![1])]);
  });

  test.each<[string, (zip: Buffer, header: number) => void, RegExp]>([
    ['a byte of the data', (zip, header) => (zip[header + 1500]! ^= 0x10), /train\/3_left\.jpeg \(train\.zip\.002\)/],
    [
      'the signature of the header',
      (zip, header) => (zip[header]! ^= 1),
      /^Expected the header of train\/3_left\.jpeg \(train\.zip\.002\), got other bytes$/,
    ],
    ['the name in the header', (zip, header) => (zip[header + 36]! ^= 1), /got the header of "train\/2_left\.jpeg"$/],
    ['the length of the name', (zip, header) => (zip[header + 26]! ^= 4), /got the header of /],
    [
      'the length of the extra field',
      (zip, header) => (zip[header + 28]! ^= 1),
      /train\/3_left\.jpeg \(train\.zip\.002\)/,
    ],
  ])('names entry and part when %s is flipped, and reads the others', async (_, flip, reason) => {
    const hurt = Buffer.from(archive);
    const header = headerOf(archive, 'train/3_left.jpeg');
    flip(hurt, header);
    const file = await fileOf(hurt, [header - 10]);
    const read = await readAll(file, await picturesOf(file));
    expect(read[3]).toMatch(reason);
    expect(read.filter((_, n) => n !== 3)).toEqual(jpegs.filter((_, n) => n !== 3).map(([, bytes]) => digest(bytes)));
  });

  test('checks CRC-32 of stored entries, and stops where the data is longer than promised', async () => {
    const stored = await zipOf(jpegs, { stored: true });
    stored[headerOf(stored, 'train/3_left.jpeg') + 500]! ^= 0x10;
    const file = await fileOf(stored);
    expect((await readAll(file, await picturesOf(file)))[3]).toMatch(
      /^Expected train\/3_left\.jpeg \(train\.zip\.001\) to have CRC-32 [0-9a-f]{8}, got [0-9a-f]{8}$/,
    );
    const whole = await fileOf(archive);
    const [first] = await picturesOf(whole);
    expect((await readAll(whole, [{ ...first!, size: first!.size - 1 }]))[0]).toMatch(
      /^Expected .* to inflate to \d+ bytes, got more$/,
    );
    expect((await readAll(whole, [{ ...first!, size: first!.size + 1 }]))[0]).toMatch(/ to hold \d+ bytes, got \d+$/);
  });

  test('stops a zip bomb at the size that its record tells, and claims of more before it is read', async () => {
    const bomb = await zipOf([['train/1_left.jpeg', Buffer.alloc(100 * 2 ** 20)]], { zip64: false });
    expect(bomb.length).toBeLessThan(200_000);
    const honest = await fileOf(bomb);
    const { quarantined } = checkEntries(await readDirectory(honest), /\.jpeg$/, null);
    expect(quarantined[0]!.reason).toMatch(/got \d+ times: a bomb\?$/);

    const lying = Buffer.from(bomb);
    lying.writeUInt32LE(50_000, recordOf(lying, 'train/1_left.jpeg') + 24);
    const file = await fileOf(lying);
    expect(await readAll(file, await picturesOf(file))).toEqual([
      'Expected train/1_left.jpeg (train.zip.001) to inflate to 50000 bytes, got more',
    ]);
  });

  test('reads once more what a read spoiled on its way', async () => {
    let reads = 0;
    const parts = await storeParts(store, archive, [], 'archives/spoiled');
    const spoiling = {
      ...store,
      get: async (...args: Parameters<ArtifactStore['get']>) => {
        const bytes = Buffer.from(await store.get(...args));
        if (reads++ === 0) bytes[headerOf(archive, 'train/5_left.jpeg') + 900]! ^= 0xff;
        return bytes;
      },
    };
    const pictures = await picturesOf(new VirtualFile(store, parts));
    expect(await readAll(new VirtualFile(spoiling, parts), pictures)).toEqual(jpegs.map(([, bytes]) => digest(bytes)));
    expect(reads).toBe(2);
  });

  test('lets an error of the store through, even one of the read ahead', async () => {
    const parts = await storeParts(
      store,
      await zipOf(
        [9, 9].map((mib, n) => [`train/${n}_left.jpeg`, randomBytes(mib * 2 ** 20)] as const),
        { stored: true },
      ),
      [],
      'archives/reset',
    );
    const pictures = await picturesOf(new VirtualFile(store, parts));
    let reads = 0;
    const failing = {
      ...store,
      get: async (...args: Parameters<ArtifactStore['get']>) => {
        if (reads++ === 1) throw new Error('connection reset');
        return store.get(...args);
      },
    };
    await expect(readAll(new VirtualFile(failing, parts), pictures)).rejects.toThrow('connection reset');
  });
});

describe('probeParts', () => {
  test('names the part that holds other bytes than it should', async () => {
    const borders = [2, 4, 6].map(n => headerOf(archive, `train/${n}_left.jpeg`));
    const file = await fileOf(archive, borders);
    const pictures = await picturesOf(file);
    await expect(probeParts(file, pictures)).resolves.toBeUndefined();

    const zeroed = Buffer.from(archive).fill(0, borders[0]!, borders[1]!);
    await expect(probeParts(await fileOf(zeroed, borders), pictures)).rejects.toThrow(
      /^Expected train\.zip\.002 to hold the header of train\/2_left\.jpeg at byte \d+ of the archive, got other bytes: parts are damaged or in another order/,
    );
    // One bad header is a bad entry, not a bad part.
    const flipped = Buffer.from(archive);
    flipped[borders[0]!]! ^= 1;
    await expect(probeParts(await fileOf(flipped, borders), pictures)).resolves.toBeUndefined();
  });
});
