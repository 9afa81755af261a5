import unzipper from 'unzipper';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { formatDirectory, parseDirectory } from '../../activities/images/stored-directory.ts';
import { checkEntries } from '../../activities/images/validate-entries.ts';
import { VirtualFile } from '../../activities/zip/virtual-file.ts';
import { type Directory, readDirectory } from '../../activities/zip/zip-directory.ts';
import type { ArtifactStore } from '../../storage/store.ts';
import { testServices } from '../support/services.ts';
import { eyeJpeg, headerOf, recordOf, renamed, storeParts, zipOf } from './support.ts';

const PATTERN = /^train\/\d+_(left|right)\.jpeg$/;
let store: ArtifactStore;
let close: () => Promise<void>;
let jpegs: [string, Buffer][];
let archive: Buffer;
let folders = 0;

beforeAll(async () => {
  ({ store, close } = await testServices());
  jpegs = await Promise.all(
    [1, 2, 3, 4, 5, 6].map(
      async n => [`train/${n}_${n % 2 ? 'left' : 'right'}.jpeg`, await eyeJpeg(n)] as [string, Buffer],
    ),
  );
  archive = await zipOf(jpegs);
});
afterAll(() => close());

async function fileOf(bytes: Buffer, borders: readonly number[] = []): Promise<VirtualFile> {
  return new VirtualFile(store, await storeParts(store, bytes, borders, `archives/${folders++}`));
}
const directoryOf = async (bytes: Buffer, borders: readonly number[] = []) =>
  readDirectory(await fileOf(bytes, borders));
const check = async (bytes: Buffer, labels: ReadonlyMap<string, number> | null = null) =>
  checkEntries(await directoryOf(bytes), PATTERN, labels);

describe('VirtualFile', () => {
  test('reads any range across any borders', async () => {
    const bytes = Buffer.from(Array.from({ length: 100 }, (_, n) => n));
    const file = await fileOf(bytes, [1, 2, 50, 99]);
    for (const [offset, length] of [
      [0, 100],
      [0, 1],
      [0, 3],
      [1, 1],
      [40, 20],
      [49, 51],
      [98, 2],
      [99, 50],
    ] as const) {
      expect(await file.read(offset, length)).toEqual(bytes.subarray(offset, offset + length));
    }
    expect(file.partsHolding(49, 2)).toBe('train.zip.003 and train.zip.004');
  });

  test('reads parts that lie inside a wrapper', async () => {
    await store.put('archives/wrapped', Buffer.from('....abc...'));
    const part = { name: 'train.zip.001', key: 'archives/wrapped', offset: 4, size: 3, crc32c: 0 };
    const file = new VirtualFile(store, [part, { ...part, name: 'train.zip.002' }]);
    expect((await file.read(1, 4)).toString()).toBe('bcab');
  });

  test('names the part that is missing or short, and says what to do', async () => {
    const parts = await storeParts(store, archive, [1000], 'archives/hurt');
    const gone = new VirtualFile(store, [parts[0]!, { ...parts[1]!, key: 'archives/hurt/gone' }]);
    const short = new VirtualFile(store, [{ ...parts[0]!, size: 1200 }, parts[1]!]);
    for (const act of [() => gone.checkParts(), () => gone.read(990, 20)]) {
      await expect(act()).rejects.toThrow(
        'Expected train.zip.002 at archives/hurt/gone in the store, got nothing: download it again',
      );
    }
    for (const act of [() => short.checkParts(), () => short.read(900, 300)]) {
      await expect(act()).rejects.toThrow('Expected train.zip.001 to hold 1200 bytes, got 1000');
    }
  });
});

describe('readDirectory', () => {
  const summary = (directory: Directory) => directory.records.map(({ name, ...rest }) => [name.toString(), rest]);

  test('is the same whole and in parts with borders in a header, in data, in the directory and in the end records', async () => {
    const whole = await directoryOf(archive);
    expect(whole.records.map(({ name }) => name.toString())).toEqual(jpegs.map(([name]) => name));
    const size = archive.length;
    const borders = [headerOf(archive, jpegs[1]![0]) + 7, whole.offset - 100, whole.offset + 50, size - 60, size - 10];
    expect(summary(await directoryOf(archive, borders))).toEqual(summary(whole));
  });

  const asUnzipperReads = async (zip: Buffer) =>
    (await unzipper.Open.buffer(zip)).files.map(file => [
      file.path,
      {
        flags: file.flags,
        method: file.compressionMethod,
        crc32: file.crc32,
        compressedSize: file.compressedSize,
        size: file.uncompressedSize,
        offset: file.offsetToLocalFileHeader,
      },
    ]);

  test('agrees with unzipper on the joined archive, in zip64 and without', async () => {
    for (const zip64 of [true, false]) {
      const zip = await zipOf(jpegs, { zip64 });
      expect(summary(await directoryOf(zip, [1234, 20_000]))).toEqual(await asUnzipperReads(zip));
    }
  });

  test('finds the end before a long comment, even one that holds the signature of an end record', async () => {
    const zip = await zipOf(jpegs, { zip64: false, comment: 'x'.repeat(900) });
    zip.writeUInt32LE(0x06054b50, zip.length - 500);
    expect(summary(await directoryOf(zip))).toEqual(await asUnzipperReads(await zipOf(jpegs, { zip64: false })));
  });

  test.each([
    ['512 zeros', Buffer.alloc(512)],
    ['a newline', Buffer.from('\n')],
    ['what bsdtar fills its block with', Buffer.alloc(10_240 - 1)],
    ['other bytes', Buffer.from('appended by somebody')],
    ['the longest padding', Buffer.alloc(65_536, 'x')],
  ])(
    'finds the end before %s behind it, in zip64 and without, behind a comment and across parts',
    async (_, behind) => {
      for (const zip64 of [true, false]) {
        const zip = await zipOf(jpegs, { zip64, comment: 'y'.repeat(65_535) });
        const expected = await asUnzipperReads(await zipOf(jpegs, { zip64 }));
        const padded = Buffer.concat([zip, behind]);
        expect(summary(await directoryOf(padded, [1234, zip.length - 5]))).toEqual(expected);
      }
    },
  );

  test('takes the last end record that a directory ends before, not one that other bytes look like', async () => {
    const plain = await zipOf(jpegs, { zip64: false });
    const record = plain.subarray(-22);
    const emptied = Buffer.from(record).fill(0, 8, 20);
    for (const behind of [record, emptied, Buffer.concat([emptied, record, Buffer.from('PK')])]) {
      expect(summary(await directoryOf(Buffer.concat([plain, behind, Buffer.alloc(9)])))).toEqual(
        await asUnzipperReads(plain),
      );
    }
  });

  test('does not take an archive whose comment is cut for one with padding', async () => {
    const zip = await zipOf(jpegs, { zip64: false, comment: 'y'.repeat(90) });
    await expect(directoryOf(zip.subarray(0, -1))).rejects.toThrow(/got no end of central directory/);
  });

  test('reads the records of zip64 also where the end record needs none of them', async () => {
    const zip = await zipOf(jpegs);
    const plain = await zipOf(jpegs, { zip64: false });
    const { offset } = await directoryOf(zip);
    zip.writeUInt16LE(0, zip.length - 18);
    zip.writeUInt16LE(0, zip.length - 16);
    zip.writeUInt16LE(6, zip.length - 14);
    zip.writeUInt16LE(6, zip.length - 12);
    zip.writeUInt32LE(zip.length - 98 - offset, zip.length - 10);
    zip.writeUInt32LE(offset, zip.length - 6);
    expect((await directoryOf(zip)).records.map(({ crc32 }) => crc32)).toEqual(
      (await directoryOf(plain)).records.map(({ crc32 }) => crc32),
    );
  });

  test('reads a directory of 35,127 entries in at most two reads', async () => {
    const one = await zipOf([['train/10000_left.jpeg', Buffer.from('x')]], { zip64: false });
    const { offset } = await directoryOf(one);
    const record = one.subarray(offset, one.length - 22);
    const count = 35_127;
    const end = Buffer.alloc(56 + 20 + 22);
    end.writeUInt32LE(0x06064b50, 0);
    end.writeBigUInt64LE(44n, 4);
    end.writeBigUInt64LE(BigInt(count), 24);
    end.writeBigUInt64LE(BigInt(count), 32);
    end.writeBigUInt64LE(BigInt(record.length * count), 40);
    end.writeBigUInt64LE(BigInt(offset), 48);
    end.writeUInt32LE(0x07064b50, 56);
    end.writeBigUInt64LE(BigInt(offset + record.length * count), 64);
    end.writeUInt32LE(1, 72);
    one.copy(end, 76, one.length - 22);
    end.fill(0xff, 84, 96);
    const zip = Buffer.concat([one.subarray(0, offset), ...new Array(count).fill(record), end]);
    const parts = await storeParts(store, zip, [], 'archives/large');
    let reads = 0;
    const counting = {
      ...store,
      get: (...args: Parameters<ArtifactStore['get']>) => {
        reads++;
        return store.get(...args);
      },
    };
    expect((await readDirectory(new VirtualFile(counting, parts))).records).toHaveLength(count);
    expect(reads).toBeLessThanOrEqual(2);
  });

  test('says what is wrong when the tail is missing, cut, or another part stands there', async () => {
    const message = (part: string) =>
      `Expected ${part} to end the archive, got no end of central directory: is a part missing or damaged?`;
    await expect(directoryOf(archive.subarray(0, 20_000), [9_000])).rejects.toThrow(message('train.zip.002'));
    await expect(directoryOf(archive.subarray(0, -1), [9_000])).rejects.toThrow(message('train.zip.002'));
    await expect(directoryOf(Buffer.alloc(0))).rejects.toThrow(message('train.zip.001'));
    const swapped = await storeParts(store, archive, [9_000, archive.length - 3000], 'archives/swapped');
    const file = new VirtualFile(store, [swapped[0]!, swapped[2]!, swapped[1]!]);
    await expect(readDirectory(file)).rejects.toThrow(message('train.zip.002'));
  });

  test('notices a part that is missing in the middle, or longer than it was', async () => {
    const without = Buffer.concat([archive.subarray(0, 9_000), archive.subarray(15_000)]);
    await expect(directoryOf(without)).rejects.toThrow(/zip64 end of the central directory .* is missing/);
    const plain = await zipOf(jpegs, { zip64: false });
    await expect(directoryOf(Buffer.concat([plain.subarray(0, 9_000), plain.subarray(8_990)]))).rejects.toThrow(
      /^Expected the central directory to end at byte \d+, got \d+: is a part missing, short or out of order\?$/,
    );
  });

  test('believes neither a wrong count of entries nor a damaged directory', async () => {
    const plain = await zipOf(jpegs, { zip64: false });
    const { offset } = await directoryOf(plain);
    const fewer = Buffer.from(plain);
    fewer.writeUInt16LE(5, plain.length - 22 + 10);
    await expect(directoryOf(fewer)).rejects.toThrow(
      /^Expected 5 entries in a central directory of \d+ bytes, got 5 in /,
    );
    const more = Buffer.from(plain);
    more.writeUInt16LE(7, plain.length - 22 + 10);
    await expect(directoryOf(more)).rejects.toThrow(/train\.zip\.001 is damaged$/);
    const absurd = Buffer.from(plain);
    absurd.writeUInt16LE(60_000, plain.length - 22 + 10);
    await expect(directoryOf(absurd)).rejects.toThrow(/which cannot hold them/);
    // Every length and signature of the directory, one byte at a time: an error, or the same number of entries.
    for (const at of [0, 28, 29, 30, 32]) {
      const hurt = Buffer.from(plain);
      hurt[offset + at]! ^= 0x41;
      await expect(directoryOf(hurt)).rejects.toThrow(/train\.zip\.001 is damaged$/);
    }
  });

  test('lets an error of the store through, to be tried again', async () => {
    const parts = await storeParts(store, archive, [9_000], 'archives/flaky');
    const flaky = { ...store, get: () => Promise.reject(new Error('connection reset')) };
    await expect(readDirectory(new VirtualFile(flaky, parts))).rejects.toThrow('connection reset');
  });
});

describe('checkEntries', () => {
  test('takes the pictures in order of their offset, with their stages', async () => {
    const labels = new Map([
      ['1_left', 0],
      ['2_right', 4],
      ['3_left', 2],
      ['4_right', 1],
      ['6_right', 3],
      ['9_left', 0],
    ]);
    const { pictures, quarantined, withoutLabel, labelsWithoutPicture } = await check(archive, labels);
    expect(pictures.map(({ image, stage }) => [image, stage])).toEqual(
      [...labels].filter(([image]) => image !== '9_left'),
    );
    expect(pictures.map(({ offset }) => offset)).toEqual(pictures.map(({ name }) => headerOf(archive, name)));
    expect(quarantined).toEqual([
      { entry: 'train/5_left.jpeg', image: '5_left', reason: 'Expected a label for 5_left, got none' },
    ]);
    expect([withoutLabel, labelsWithoutPicture]).toEqual([1, 1]);
    expect((await check(archive)).pictures.map(({ stage }) => stage)).toEqual(new Array(6).fill(null));
  });

  test.each([
    ['../ain/1_left.jpeg', /leads out of it/],
    ['/rain/1_left.jpeg', /leads out of it/],
    ['C:/in/1_left.jpeg', /leads out of it/],
    ['train/../left.jpeg', /leads out of it/],
    ['C:\\in\\1_left.jpeg', /leads out of it/],
    ['\\\\host\\1_l.jpeg', /leads out of it/],
    ['train\\..\\lef.jpeg', /leads out of it/],
    ['train\\1_left.jpeg', /a backslash/],
    ['train/1_left.jp\u0000g', /control characters/],
    ['train/1_left.jp\u00ffg', /no UTF-8/],
    ['train/1_left.jpg_', /Expected a name like/],
    ['other/1_left.jpeg', /archive\.entries/],
  ])('sets aside the name %j', async (name, reason) => {
    const { pictures, quarantined } = await check(
      renamed(archive, 'train/1_left.jpeg', name.padEnd(17, '_').slice(0, 17)),
    );
    expect(pictures).toHaveLength(5);
    expect(quarantined).toHaveLength(1);
    expect(quarantined[0]!.reason).toMatch(reason);
  });

  test('sets aside names of 65,535 bytes, and shows their beginning only', async () => {
    const digits = `train/${'1'.repeat(65_518)}_left.jpeg`;
    const slashes = `${'/'.repeat(65_535)}`;
    const long = await zipOf([...jpegs, [digits, jpegs[0]![1]], [slashes.replaceAll('/', 'x'), jpegs[0]![1]]]);
    const { pictures, quarantined } = await check(renamed(long, slashes.replaceAll('/', 'x'), slashes));
    expect(pictures).toHaveLength(6);
    expect(quarantined).toEqual([
      {
        entry: `${digits.slice(0, 200)}…`,
        image: null,
        reason: expect.stringMatching(/^Expected a file name of at most 64 letters/),
      },
      { entry: `${slashes.slice(0, 200)}…`, image: null, reason: expect.stringMatching(/leads out of it$/) },
    ]);
  });

  test('keeps the first of two entries of one name', async () => {
    const twice = await zipOf([...jpegs, ['train/2_right.jpeg', Buffer.from('other')]]);
    const { pictures, quarantined } = await check(twice);
    expect(pictures).toHaveLength(6);
    expect(pictures[1]!.size).toBe(jpegs[1]![1].length);
    expect(quarantined).toMatchObject([
      {
        entry: 'train/2_right.jpeg',
        reason: 'Expected 2_right once in the archive, got it again after train/2_right.jpeg',
      },
    ]);
  });

  test('passes over the entry of the folder', async () => {
    const { pictures, quarantined } = await check(
      await zipOf([['train/x', Buffer.alloc(0)], ...jpegs]).then(zip => renamed(zip, 'train/x', 'train//')),
    );
    expect([pictures.length, quarantined.length]).toEqual([6, 0]);
  });

  // Fields of a directory record: flags at 8, method at 10, sizes at 20 and 24, offset at 42.
  test.each<[string, (record: Buffer) => void, RegExp]>([
    ['is encrypted', record => record.writeUInt16LE(1, 8), /got an encrypted one$/],
    ['has another method', record => record.writeUInt16LE(12, 10), /^Expected compression method 0 or 8, got 12$/],
    ['is empty', record => record.writeUInt32LE(0, 24), /got an empty entry$/],
    [
      'claims to be huge',
      record => record.writeUInt32LE(3e9, 24),
      /^Expected a picture of at most \d+ bytes, got 3000000000$/,
    ],
    ['is a bomb', record => record.writeUInt32LE(1e8, 24), /: a bomb\?$/],
    ['goes beyond the directory', record => record.writeUInt32LE(1e6, 20), /got data that goes beyond$/],
    ['lies inside the one before', record => record.writeUInt32LE(500, 42), /overlaps the entry before$/],
    [
      'is stored in another size',
      record => record.writeUInt16LE(0, 10),
      /^Expected a stored entry of \d+ bytes, got \d+$/,
    ],
  ])('sets aside an entry that %s', async (_, change, reason) => {
    const plain = await zipOf(jpegs, { zip64: false });
    change(plain.subarray(recordOf(plain, 'train/3_left.jpeg')));
    const { pictures, quarantined } = await check(plain);
    expect(quarantined).toHaveLength(1);
    expect(quarantined[0]!.reason).toMatch(reason);
    expect(pictures).toHaveLength(5);
  });

  test('survives the way through directory.json', async () => {
    const { pictures, quarantined } = await check(archive, new Map([['1_left', 0]]));
    const text = formatDirectory({ pictures, quarantined });
    expect(parseDirectory(text)).toEqual({ pictures, quarantined });
    expect(parseDirectory(formatDirectory({ pictures: [], quarantined: [] }))).toEqual({
      pictures: [],
      quarantined: [],
    });
  });
});
